// A pickle alone, and a whole file with the tensors it describes.
#include <torch/torch.h>

#include <filesystem>
#include <string_view>

#include "core/error.h"
#include "core/files.h"
#include "fuzz_target.h"
#include "io/authors_checkpoint.h"
#include "io/pickle_machine.h"
#include "io/pickle_reader.h"

using nala::io::AuthorsCheckpoint;
using nala::io::ByteSource;
using nala::io::TorchFile;
using nala::io::ZipReader;

namespace {

void read_pickle(std::string_view bytes) {
  try {
    nala::io::parse_pickle(bytes, "input");
  } catch (const nala::Error&) {  // refused, as it should be
  }
}

void read_file(std::string_view bytes) {
  try {
    TorchFile file(bytes, "input");
    const AuthorsCheckpoint checkpoint = nala::io::authors_checkpoint_of(file);
    for (const auto& [name, tensor] : checkpoint.model) {
      fuzz_require(tensor.clone().nbytes() <= bytes.size(), "a tensor is no larger than its file");
    }
  } catch (const nala::Error&) {  // refused, as it should be
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(bytes), size);
  if (input.starts_with("PK")) {
    read_file(input);
  } else {
    read_pickle(input);
  }
  return 0;
}

// The files as they are, and their pickles alone. A file without checksums lets mutations through
// to the pickle and the tensors.
std::vector<std::string> fuzz_seeds() {
  std::vector<std::string> seeds;
  for (const char* name : {"no_checksum.pth", "authors.pth", "bare_protocol5.pth"}) {
    seeds.push_back(nala::read_file(std::filesystem::path(NALA_IO_FIXTURES) / name));
  }
  for (size_t i = 0; i < 3; ++i) {
    const ZipReader zip(ByteSource::of_memory(seeds[i], "seed"));
    for (const auto& [name, record] : zip.records()) {
      if (name.ends_with("data.pkl")) {
        seeds.push_back(ByteSource::of_memory(seeds[i], "seed").read(record.offset, record.size));
      }
    }
  }
  return seeds;
}
