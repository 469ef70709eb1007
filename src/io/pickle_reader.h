// Reads what torch.save writes: a zip file with one pickle and the elements of its tensors.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>

#include "io/pickle_value.h"
#include "io/zip_reader.h"

namespace nala::io {

/// A file of torch.save: its values at once, its tensors when asked for.
///
/// Never executes anything (pickle_machine.h). Memory is bounded by the file's size. Not
/// thread-safe.
class TorchFile {
 public:
  /// Throws Error(checkpoint) naming the file when it is damaged, of the format before PyTorch 1.6,
  /// or no file of torch.save; Error(file) when it cannot be read.
  explicit TorchFile(const std::filesystem::path& path);
  /// The same of memory, which must outlive this object; `name` stands for the file in errors.
  TorchFile(std::string_view bytes, const std::string& name);

  [[nodiscard]] const PickleValue& root() const { return *pickle_.root; }
  [[nodiscard]] const std::string& name() const { return archive_.name(); }

  /// A Kind::tensor of root() as a CPU tensor of its own strides. Tensors that share a storage in
  /// the file share it here too. Throws Error(checkpoint) when the storage is missing or damaged.
  at::Tensor tensor(const PickleValue& value);

 private:
  explicit TorchFile(const ByteSource& source);

  ZipReader archive_;
  std::string folder_;  // of the records, ends with '/'
  Pickle pickle_;
  std::unordered_map<std::string, at::Tensor> storages_;  // one-dimensional
};

}  // namespace nala::io
