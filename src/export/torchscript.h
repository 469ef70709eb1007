// Graphs as TorchScript.
#pragma once

#include <filesystem>
#include <string>

#include "export/graph.h"

namespace nala::exporting {

/// The graph as the source of a method `forward(self, images)` on plain operators of torch, weights
/// as attributes of `self`.
std::string torchscript_source(const Graph& graph);

/// Writes a TorchScript file that LibTorch and Python load without anything of ours, by the rules
/// of write_file(). Throws Error(file).
void write_torchscript(const std::filesystem::path& path, const Graph& graph);

}  // namespace nala::exporting
