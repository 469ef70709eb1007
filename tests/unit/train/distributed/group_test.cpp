#include "train/distributed/group.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "processes.h"

namespace nala::train {
namespace {

TEST(Group, AloneEverythingIsAsItWas) {
  const Group group;
  const at::Tensor x = torch::arange(3.0);
  group.sum(x, "x");
  group.broadcast(x, "x");
  group.barrier("end");
  EXPECT_TRUE(at::equal(x, torch::arange(3.0)));
  EXPECT_EQ(group.broadcast(std::string("a"), "text"), "a");
  EXPECT_EQ(group.gather("a", "text"), std::vector<std::string>{"a"});
  EXPECT_TRUE(group.leads());
  EXPECT_EQ(group.name(), "");
}

TEST(Group, SumsAndBroadcastsOnThreeRanks) {
  as_ranks(3, [](const Group& group) {
    const auto rank = static_cast<double>(group.rank());
    const at::Tensor counts = torch::full({2, 2}, rank + 1, at::kDouble);
    group.sum(counts, "counts");
    EXPECT_TRUE(at::equal(counts, torch::full({2, 2}, 6.0, at::kDouble)));
    const at::Tensor steps = torch::full({}, group.rank(), at::kLong);
    group.sum(steps, "steps");
    EXPECT_EQ(steps.item<int64_t>(), 3);
    const std::vector<at::Tensor> tensors{torch::full({5}, rank),
                                          torch::full({2}, rank, at::kLong)};
    group.broadcast(tensors, "tensors");
    EXPECT_EQ(tensors[0].sum().item<double>() + tensors[1].sum().item<double>(), 0);
    EXPECT_EQ(group.leads(), group.rank() == 0);
    EXPECT_EQ(group.name(), "rank " + std::to_string(group.rank()) + " of 3");
  });
}

TEST(Group, TextsOfAnyLength) {
  as_ranks(3, [](const Group& group) {
    const std::string own(static_cast<size_t>(group.rank()) * 3,
                          static_cast<char>('a' + group.rank()));
    EXPECT_EQ(group.gather(own, "names"), (std::vector<std::string>{"", "bbb", "cccccc"}));
    EXPECT_EQ(group.broadcast("from " + std::to_string(group.rank()), "text"), "from 0");
    EXPECT_EQ(group.broadcast(std::string(), "nothing"), "");
  });
}

// What rank 0 says when rank 1 never takes part.
std::string complaint(const std::function<void(const Group&)>& of_rank_1) {
  std::string message;
  as_ranks(
      2,
      [&](const Group& group) {
        if (group.rank() == 1) {
          of_rank_1(group);
          return;
        }
        try {
          group.sum(torch::ones({3}), "sum of the counts");
        } catch (const LostPeers& lost) {
          message = lost.what();
        }
      },
      std::chrono::seconds(1));
  return message;
}

TEST(Group, ATimeOutNamesRanksAndOperation) {
  const std::string message =
      complaint([](const Group&) { std::this_thread::sleep_for(std::chrono::seconds(5)); });
  EXPECT_NE(message.find("rank 0 of 2: sum of the counts failed"), std::string::npos) << message;
  EXPECT_NE(message.find("busy with something else: rank 1"), std::string::npos) << message;
  EXPECT_NE(message.find("time-out: 1 s"), std::string::npos) << message;
}

TEST(Group, AFailureThatWasAnnouncedIsQuoted) {
  const std::string message =
      complaint([](const Group& group) { group.announce_failure("cat.png: no picture"); });
  EXPECT_NE(message.find("rank 1 failed before: cat.png: no picture"), std::string::npos)
      << message;
}

}  // namespace
}  // namespace nala::train
