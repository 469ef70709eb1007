#include "io/pth_writer.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <filesystem>

#include "core/error.h"
#include "io/authors_checkpoint.h"

namespace nala::io {
namespace {

class PthWriterTest : public testing::Test {
 protected:
  PthWriterTest() : file_(std::filesystem::path(testing::TempDir()) / "nala_written.pth") {}
  ~PthWriterTest() override { std::filesystem::remove(file_); }

  std::filesystem::path file_;
};

TEST_F(PthWriterTest, OurReaderFindsEveryTensorInItsOrder) {
  NamedTensors tensors{{"z.weight", torch::arange(24, torch::kFloat).reshape({2, 3, 4})},
                       {"a.count", torch::tensor(int64_t{-5'000'000'000})},
                       {"empty", torch::zeros({0, 7})},
                       {"\xC3\xA9", torch::tensor({true, false})}};
  for (const at::ScalarType type :
       {at::kDouble, at::kHalf, at::kBFloat16, at::kInt, at::kShort, at::kChar, at::kByte}) {
    tensors.emplace_back(c10::toString(type), torch::tensor({1, 2, 3}).to(type));
  }
  write_pth(file_, tensors);
  const NamedTensors found = read_authors_checkpoint(file_).model;
  ASSERT_EQ(found.size(), tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    EXPECT_EQ(found[i].first, tensors[i].first);
    EXPECT_EQ(found[i].second.scalar_type(), tensors[i].second.scalar_type()) << found[i].first;
    EXPECT_TRUE(torch::equal(found[i].second, tensors[i].second)) << found[i].first;
  }
}

TEST_F(PthWriterTest, RefusesWhatPythonHasNoStorageFor) {
  EXPECT_THROW(write_pth(file_, {{"c", torch::zeros({2}, at::kComplexFloat)}}), Error);
  EXPECT_FALSE(std::filesystem::exists(file_));
}

}  // namespace
}  // namespace nala::io
