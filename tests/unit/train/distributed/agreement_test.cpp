#include "train/distributed/agreement.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "core/error.h"
#include "processes.h"

namespace nala::train {
namespace {

TEST(Share, EqualizesAndNamesWhatDiffered) {
  as_ranks(3, [](const Group& group) {
    const io::NamedTensors tensors{
        {"same", torch::ones({4})},
        {"other", torch::full({2, 3}, static_cast<double>(group.rank()))},
        {"count", torch::full({}, 7 + group.rank() / 2, at::kLong)}};
    const auto differed = share(group, tensors, "the model");
    const std::vector<std::string> expected[] = {{}, {"other"}, {"other", "count"}};
    EXPECT_EQ(differed, expected[group.rank()]);
    EXPECT_EQ(tensors[1].second.abs().sum().item<double>(), 0);
    EXPECT_EQ(tensors[2].second.item<int64_t>(), 7);
  });
}

std::string error_on_rank_1(const std::function<void(const Group&)>& body) {
  std::string message;
  as_ranks(
      2,
      [&](const Group& group) {
        try {
          body(group);
        } catch (const Error& error) {
          EXPECT_EQ(group.rank(), 1);
          message = error.what();
          group.announce_failure(message);
        } catch (const LostPeers&) {
          EXPECT_EQ(group.rank(), 0);
        }
      },
      std::chrono::seconds(2));
  return message;
}

TEST(Share, AnotherShapeIsNamed) {
  const std::string message = error_on_rank_1([](const Group& group) {
    const io::NamedTensors tensors{{"a", torch::ones({4})},
                                   {"head.weight", torch::ones({2 + group.rank(), 3})}};
    share(group, tensors, "the model");
  });
  EXPECT_NE(message.find("rank 1 of 2: the model: 'head.weight"), std::string::npos) << message;
  EXPECT_NE(message.find("[3, 3]"), std::string::npos) << message;
  EXPECT_NE(message.find("[2, 3]"), std::string::npos) << message;
}

TEST(RequireSame, ListsTheLinesThatDiffer) {
  const std::string message = error_on_rank_1([](const Group& group) {
    require_same(group, "seed: " + std::to_string(group.rank()) + "\nlr: 1\n", "the configuration");
  });
  EXPECT_NE(message.find("the configuration differs: ['seed: 1' here, 'seed: 0' on rank 0]"),
            std::string::npos)
      << message;
}

}  // namespace
}  // namespace nala::train
