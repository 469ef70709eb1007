// The linear attention kernels on the golden operator entries: numbers of the authors' code, every
// gradient element by element, to the entries' own tolerances.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "attention_case.h"
#include "golden_file.h"

namespace nala::cuda_host {
namespace {

std::filesystem::path golden_folder() {
  const char* const folder = std::getenv("NALA_GOLDEN_DIR");
  return folder != nullptr ? folder : NALA_GOLDEN_DEFAULT;
}

using Tensors = std::map<std::string, FloatTensor>;

Case case_of(const nlohmann::json& entry, const Tensors& tensors) {
  Case made;
  const std::vector<int64_t>& shape = tensors.at("q").shape;
  made.call.shape = {shape.at(0), static_cast<int>(shape.at(1)), static_cast<int>(shape.at(2)),
                     static_cast<int>(shape.at(3))};
  const nlohmann::json& params = entry.at("params");
  cuda::FeatureRule& rule = made.call.rule;
  rule.map = entry.at("feature_map") == "cosine" ? cuda::Map::cosine : cuda::Map::relu_split;
  rule.lambd = params.value("lambd", rule.lambd);
  rule.tau = params.value("tau", rule.tau);
  rule.alpha = params.value("alpha", rule.alpha);
  made.eps = params.value("eps", made.eps);
  constexpr int kPart = 29;  // several parts, the last one short
  made.call.plan = {(made.call.shape.tokens + kPart - 1) / kPart, kPart};
  made.q = tensors.at("q").values;
  made.k = tensors.at("k").values;
  made.v = tensors.at("v").values;
  made.dy = tensors.at("dy").values;
  made.cos = tensors.at("cos").values;
  made.sin = tensors.at("sin").values;
  return made;
}

struct Row {
  double error = 0;
  double size = 0;
};

Row compared(const std::vector<float>& got,
             const std::vector<float>& want,
             size_t begin,
             size_t end) {
  Row row;
  for (size_t i = begin; i < end; ++i) {
    const double error = std::abs(static_cast<double>(got[i]) - want[i]);
    row.error = error <= row.error ? row.error : error;  // a NaN is kept
    row.size = std::max(row.size, std::abs(static_cast<double>(want[i])));
  }
  return row;
}

// All terms of the entry must hold; only those that operators have are known here.
void expect_close(const nlohmann::json& tolerance,
                  const std::vector<float>& got,
                  const FloatTensor& want) {
  ASSERT_EQ(got.size(), want.values.size());
  const Row whole = compared(got, want.values, 0, got.size());
  const bool limited = tolerance.contains("rel_to_max") || tolerance.contains("abs");
  ASSERT_TRUE(limited) << tolerance;
  if (tolerance.contains("rel_to_max")) {
    EXPECT_LE(whole.error, tolerance.at("rel_to_max").get<double>() * whole.size);
  }
  if (tolerance.contains("abs")) {
    EXPECT_LE(whole.error, tolerance.at("abs").get<double>());
  }
  if (tolerance.contains("rel_to_row_max")) {
    const auto d = static_cast<size_t>(want.shape.back());
    for (size_t begin = 0; begin < got.size(); begin += d) {
      const Row row = compared(got, want.values, begin, begin + d);
      EXPECT_LE(row.error, tolerance.at("rel_to_row_max").get<double>() * row.size)
          << "row " << begin / d;
    }
  }
}

TEST(Golden, EveryLinearOperatorEntryInFloat32) {
  std::ifstream stream(golden_folder() / "index.json");
  const auto index = nlohmann::json::parse(stream);
  int checked = 0;
  for (const auto& [file, entry] : index.items()) {
    if (entry.at("kind") != "attention_op" || entry.at("feature_map") == "softmax") {
      continue;
    }
    const Tensors tensors = float_tensors(golden_folder() / file);
    if (!tensors.contains("q")) {
      continue;  // a float64 entry: the reference's alone
    }
    SCOPED_TRACE(file);
    const Results results = run_kernels(case_of(entry, tensors));
    const nlohmann::json& tolerance = entry.at("tolerance");
    expect_close(tolerance.at("y"), results.y, tensors.at("y"));
    expect_close(tolerance.at("dq"), results.dq, tensors.at("dq"));
    expect_close(tolerance.at("dk"), results.dk, tensors.at("dk"));
    expect_close(tolerance.at("dv"), results.dv, tensors.at("dv"));
    ++checked;
  }
  EXPECT_GE(checked, 15);
}

}  // namespace
}  // namespace nala::cuda_host
