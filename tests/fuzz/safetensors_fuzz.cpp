// Whatever parses is written and parsed again without a difference.
#include <torch/torch.h>

#include <string_view>

#include "core/error.h"
#include "fuzz_target.h"
#include "io/safetensors.h"

using nala::io::NamedTensors;
using nala::io::Safetensors;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  try {
    const Safetensors file =
        nala::io::parse_safetensors({reinterpret_cast<const char*>(bytes), size}, "input");
    const std::string written = nala::io::safetensors_bytes(file.tensors, file.metadata);
    const Safetensors again = nala::io::parse_safetensors(written, "written");
    fuzz_require(again.tensors.size() == file.tensors.size(), "as many tensors");
    fuzz_require(again.metadata == file.metadata, "the same metadata");
    fuzz_require(nala::io::safetensors_bytes(again.tensors, again.metadata) == written,
                 "writing is a function of the content");
  } catch (const nala::Error&) {  // refused, as it should be
  }
  return 0;
}

std::vector<std::string> fuzz_seeds() {
  const NamedTensors mixed{{"weight", torch::arange(6, torch::kFloat).reshape({2, 3})},
                           {"count", torch::tensor(int64_t{7})},
                           {"flag", torch::tensor({true, false, true})},
                           {"half", torch::ones({3}, torch::kHalf)},
                           {"empty", torch::zeros({0, 3})}};
  return {nala::io::safetensors_bytes(mixed, {{"format", "pt"}, {"step", "12"}}),
          nala::io::safetensors_bytes({{"a", torch::zeros({2})}}), nala::io::safetensors_bytes({})};
}
