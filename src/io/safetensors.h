// Reads and writes safetensors files: a JSON header and the tensors' bytes behind it.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "io/named_tensors.h"

namespace nala::io {

struct Safetensors {
  NamedTensors tensors;                         ///< in the order of the header
  std::map<std::string, std::string> metadata;  ///< the header's `__metadata__`
};

/// Reads a file: contiguous CPU tensors that own their memory.
///
/// Nothing of the file is believed before it is checked: header of at most 100 MB that begins with
/// '{', is strict JSON with unique keys and no unknown ones, `__metadata__` of text only; the sizes
/// follow from dtype and shape without overflow; the tensors tile the data exactly, so that no more
/// is allocated than the file holds; truth values are 0 or 1. 0-dimensional and empty tensors are
/// allowed. Throws Error(checkpoint) naming file, key, found and expected; Error(file) when it
/// cannot be read.
Safetensors read_safetensors(const std::filesystem::path& path);

/// The same of bytes in memory; `name` stands for the file in errors.
Safetensors parse_safetensors(std::string_view bytes, const std::string& name);

/// Writes tensors of any strides and device, contiguous, in the order of the format's own writer
/// (dtype, widest first, then name), the header padded with spaces so that the data begin at a
/// multiple of 8 bytes. The bytes are a function of the arguments alone, whatever the order of
/// `tensors`. Written whole or not at all (core/files.h). Throws Error(checkpoint) on names twice,
/// a name `__metadata__`, names that are not UTF-8 and dtypes the format lacks, Error(file) when
/// writing fails.
void write_safetensors(const std::filesystem::path& path,
                       const NamedTensors& tensors,
                       const std::map<std::string, std::string>& metadata = {});

/// What write_safetensors() writes.
std::string safetensors_bytes(const NamedTensors& tensors,
                              const std::map<std::string, std::string>& metadata = {});

}  // namespace nala::io
