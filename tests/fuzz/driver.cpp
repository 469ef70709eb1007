// Runs a fuzz target on seeds and on deterministic mutations of them: `program CASES`. An
// input that makes an unexpected exception goes to the file fuzz_fault of the working folder.
//
// The same target links with libFuzzer instead (option NALA_LIBFUZZER, Clang), which then finds its
// own mutations.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>

#include "core/rng.h"
#include "fuzz_target.h"

namespace {

using nala::Rng;

size_t below(Rng& rng, size_t count) {
  return static_cast<size_t>(rng.integer(static_cast<int64_t>(count)));
}

void flip_bits(std::string& input, Rng& rng) {
  for (size_t i = below(rng, 8) + 1; i-- > 0;) {
    char& byte = input[below(rng, input.size())];
    byte = static_cast<char>(byte ^ (1 << below(rng, 8)));
  }
}

// Numbers at which sizes and offsets go wrong.
void write_number(std::string& input, Rng& rng) {
  constexpr uint64_t kNumbers[] = {0,          1,          0x7f,  0xff,      0xffff,
                                   0x7fffffff, 0xffffffff, ~0ULL, ~0ULL >> 1};
  const uint64_t number = kNumbers[below(rng, std::size(kNumbers))];
  const size_t width = size_t{1} << below(rng, 4);
  const size_t place = below(rng, input.size());
  for (size_t i = 0; i < width && place + i < input.size(); ++i) {
    input[place + i] = static_cast<char>(number >> (8 * i));
  }
}

void copy_piece(std::string& input, Rng& rng) {
  const std::string piece = input.substr(below(rng, input.size()), below(rng, 64) + 1);
  input.insert(below(rng, input.size() + 1), piece);
}

void mutate(std::string& input, Rng& rng) {
  for (size_t i = below(rng, 3) + 1; i-- > 0 && !input.empty();) {
    switch (below(rng, 6)) {
      case 0:
      case 1:
        flip_bits(input, rng);
        break;
      case 2:
        write_number(input, rng);
        break;
      case 3:
        copy_piece(input, rng);
        break;
      case 4:
        input.erase(below(rng, input.size()), below(rng, 64) + 1);
        break;
      default:
        input.resize(below(rng, input.size() + 1));
    }
  }
}

void run(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

}  // namespace

int main(int count, char** arguments) {
  const auto cases =
      static_cast<uint64_t>(count > 1 ? std::strtoull(arguments[1], nullptr, 10) : 0);
  const std::vector<std::string> seeds = fuzz_seeds();
  for (const std::string& seed : seeds) {
    run(seed);
  }
  for (uint64_t i = 0; i < cases; ++i) {
    Rng rng(nala::Stream::synthetic, {i});
    std::string input = seeds[i % seeds.size()];
    mutate(input, rng);
    try {
      run(input);
    } catch (const std::exception& error) {
      std::ofstream("fuzz_fault", std::ios::binary) << input;
      std::fprintf(stderr, "case %llu: %s\n", static_cast<unsigned long long>(i), error.what());
      std::abort();
    }
  }
  std::printf("%llu cases\n", static_cast<unsigned long long>(cases));
  return 0;
}
