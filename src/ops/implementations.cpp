#include "ops/implementations.h"

#include <c10/util/Exception.h>

#include <array>
#include <string>

#include "ops/cpu/linear_attention.h"
#include "ops/reference.h"

namespace nala::ops {
namespace {

std::string_view never_refuses(const Problem&) {
  return "";
}

constexpr std::array kImplementations = {
    Implementation{"avx512", cpu::avx512_refuses, cpu::avx512_forward, cpu::avx512_backward},
    Implementation{"avx2", cpu::avx2_refuses, cpu::avx2_forward, cpu::avx2_backward},
    Implementation{"reference", never_refuses, reference_forward, reference_backward},
};

std::string known_names() {
  std::string names = "auto";
  for (const Implementation& row : kImplementations) {
    names.append(" ").append(row.name);
  }
  return names;
}

}  // namespace

std::span<const Implementation> implementations() {
  return kImplementations;
}

const Implementation& choose_implementation(std::string_view name, const Problem& problem) {
  for (const Implementation& row : kImplementations) {
    const bool named = row.name == name;
    if (!named && name != "auto") {
      continue;
    }
    const std::string_view reason = row.refuses(problem);
    if (reason.empty()) {
      return row;
    }
    TORCH_CHECK(!named, "linear_attention: implementation ", name, " cannot be used: ", reason);
  }
  TORCH_CHECK(false, "linear_attention: unknown implementation '", name,
              "'; known: ", known_names());
}

}  // namespace nala::ops
