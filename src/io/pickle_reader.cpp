#include "io/pickle_reader.h"

#include <torch/torch.h>

#include <algorithm>
#include <array>
#include <utility>

#include "core/error.h"
#include "io/pickle_machine.h"
#include "io/shown.h"
#include "io/truth_values.h"

namespace nala::io {
namespace {

// The source itself, if it begins as zip files do; other files of PyTorch are named for what they
// are.
const ByteSource& checked_kind(const ByteSource& source) {
  std::array<unsigned char, 2> start{};
  source.read(0, start.data(), std::min<uint64_t>(source.size(), start.size()));
  if (start[0] == 'P' && start[1] == 'K') {
    return source;
  }
  const bool pickle = start[0] == 0x80;
  throw Error(
      ErrorKind::checkpoint,
      source.name() + (pickle ? ": is in torch.save's format from before PyTorch 1.6, which "
                                "is not read; load and save it again with a newer PyTorch"
                              : ": is no file of torch.save (no zip file)"));
}

// torch.save puts every record into one folder, named as it likes.
std::string folder_of(const ZipReader& archive) {
  constexpr std::string_view kPickle = "/data.pkl";
  for (const auto& [name, record] : archive.records()) {
    if (name.ends_with(kPickle) && name.find('/') == name.size() - kPickle.size()) {
      return name.substr(0, name.find('/') + 1);
    }
  }
  throw Error(ErrorKind::checkpoint,
              archive.name() + ": is no file of torch.save: it has no record data.pkl");
}

Pickle read_pickle(const ZipReader& archive, const std::string& folder) {
  const std::string record = folder + "data.pkl";
  if (archive.size_of(record) > kMaxPickle) {
    throw Error(ErrorKind::checkpoint, archive.name() + ": its pickle has " +
                                           std::to_string(archive.size_of(record)) +
                                           " bytes, allowed are " + std::to_string(kMaxPickle));
  }
  std::string bytes(archive.size_of(record), '\0');
  archive.read(record, bytes.data());
  return parse_pickle(bytes, archive.name());
}

void check_byte_order(const ZipReader& archive, const std::string& folder) {
  const std::string record = folder + "byteorder";
  if (!archive.records().contains(record)) {
    return;  // older files have none
  }
  std::string order(std::min<uint64_t>(archive.size_of(record), 6), '\0');
  if (archive.size_of(record) == order.size()) {
    archive.read(record, order.data());
  }
  if (order != "little") {
    throw Error(ErrorKind::checkpoint,
                archive.name() + ": its byte order is " + in_quotes(order) + ", expected 'little'");
  }
}

at::Tensor read_storage(const ZipReader& archive,
                        const std::string& record,
                        const TensorPlace& place) {
  // The record's size bounds what the pickle claims; dividing, since the claim may be anything.
  const uint64_t element = c10::elementSize(place.dtype);
  const uint64_t size = archive.size_of(record);
  if (size % element != 0 || size / element != static_cast<uint64_t>(place.storage_size)) {
    throw Error(ErrorKind::checkpoint, archive.name() + ": the record " + in_quotes(record) +
                                           " has " + std::to_string(size) + " bytes, expected " +
                                           std::to_string(place.storage_size) + " elements of " +
                                           std::to_string(element) + " bytes");
  }
  at::Tensor elements = at::empty({place.storage_size}, place.dtype);  // (storage_size,)
  archive.read(record, elements.mutable_data_ptr());
  check_truth_values(elements, archive.name(), record);
  return elements;
}

}  // namespace

TorchFile::TorchFile(const ByteSource& source)
    : archive_(checked_kind(source)),
      folder_(folder_of(archive_)),
      pickle_(read_pickle(archive_, folder_)) {
  check_byte_order(archive_, folder_);
}

TorchFile::TorchFile(const std::filesystem::path& path) : TorchFile(ByteSource::of_file(path)) {}

TorchFile::TorchFile(std::string_view bytes, const std::string& name)
    : TorchFile(ByteSource::of_memory(bytes, name)) {}

at::Tensor TorchFile::tensor(const PickleValue& value) {
  if (value.kind != PickleValue::Kind::tensor) {
    throw Error(ErrorKind::checkpoint,
                name() + ": found " + value.description() + " where a tensor is expected");
  }
  const TensorPlace& place = *value.place;
  auto found = storages_.find(place.storage);
  if (found == storages_.end()) {
    found = storages_
                .emplace(place.storage,
                         read_storage(archive_, folder_ + "data/" + place.storage, place))
                .first;
  }
  const at::Tensor& storage = found->second;
  if (storage.scalar_type() != place.dtype || storage.numel() != place.storage_size) {
    throw Error(ErrorKind::checkpoint, name() + ": the storage " + in_quotes(place.storage) +
                                           " is described in two different ways");
  }
  return storage.as_strided(place.shape, place.strides, place.offset);  // (place.shape)
}

}  // namespace nala::io
