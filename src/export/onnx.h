// Graphs as ONNX, through a library that is loaded when the first one is written.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "export/graph.h"

namespace nala::exporting {

struct OnnxOptions {
  bool half_weights = false;  ///< store weights in float16, widened where they are used
  std::string producer_version;
};

/// What libnala_onnx.so exports under kOnnxSymbol: writes the graph into `bytes` and has libonnx's
/// checker look at it. Returns whether that went well, else with a reason in `message`.
using WriteOnnx = bool (*)(const Graph& graph,
                           const OnnxOptions& options,
                           std::string& bytes,
                           std::string& message);
inline constexpr const char* kOnnxSymbol = "nala_write_onnx";
inline constexpr const char* kOnnxFile = "libnala_onnx.so";

/// Writes an ONNX file: opset 17, plain operators, batch, height and width free; checked by
/// libonnx. By the rules of write_file(). Throws Error(file), Error(usage) where libnala_onnx.so
/// cannot be loaded, Error(checkpoint) for a network of more than 2 GB.
void write_onnx(const std::filesystem::path& path, const Graph& graph, const OnnxOptions& options);

}  // namespace nala::exporting
