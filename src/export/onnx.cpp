#include "export/onnx.h"

#include "core/error.h"
#include "core/files.h"
#include "core/own_library.h"

namespace nala::exporting {

void write_onnx(const std::filesystem::path& path, const Graph& graph, const OnnxOptions& options) {
  std::string message;
  const auto write =
      reinterpret_cast<WriteOnnx>(symbol_of_own_library(kOnnxFile, kOnnxSymbol, message));
  if (write == nullptr) {
    throw Error(ErrorKind::usage,
                "ONNX cannot be written: " + std::string(kOnnxFile) + ": " + message);
  }
  std::string bytes;
  if (!write(graph, options, bytes, message)) {
    throw Error(ErrorKind::checkpoint, path.string() + ": " + message);
  }
  write_file(path, bytes);
}

}  // namespace nala::exporting
