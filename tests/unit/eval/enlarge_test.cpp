#include "eval/enlarge.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <set>
#include <stdexcept>
#include <string>

namespace nala::eval {
namespace {

at::Tensor picture(int64_t height, int64_t width) {
  return at::arange(3 * height * width, at::kFloat).view({1, 3, height, width}).sin();
}

// Every pixel repeated: the same whatever else is in the picture.
at::Tensor nearest(const at::Tensor& x) {
  return x.repeat_interleave(3, 2).repeat_interleave(3, 3);
}

TEST(EnlargeTiled, TilesOfALocalOperationGiveTheWhole) {
  for (const auto& [height, width] : {std::pair{37, 50}, {8, 50}, {20, 9}, {16, 16}}) {
    for (const int64_t overlap : {0, 3, 11, 15}) {
      const at::Tensor x = picture(height, width);
      int calls = 0;
      const at::Tensor tiled = enlarge_tiled(
          [&](const at::Tensor& tile) {
            ++calls;
            EXPECT_LE(std::max(tile.size(2), tile.size(3)), 16);
            return nearest(tile);
          },
          x, {.tile = 16, .overlap = overlap, .scale = 3});
      EXPECT_TRUE(at::allclose(tiled, nearest(x), 1e-5, 1e-6)) << height << " x " << width;
      EXPECT_EQ(calls == 1, std::max(height, width) <= 16);
    }
  }
}

// Two tiles that disagree by 1 are joined by a straight slope over what they share.
TEST(EnlargeTiled, FeathersWhatNeighboursShare) {
  int calls = 0;
  const at::Tensor result =
      enlarge_tiled([&](const at::Tensor& tile) { return at::full_like(nearest(tile), calls++); },
                    picture(8, 12), {.tile = 8, .overlap = 4, .scale = 3});
  ASSERT_EQ(calls, 2);
  const at::Tensor row = result[0][0][5];
  for (int64_t x = 0; x < 36; ++x) {
    const double expected = x < 12 ? 0 : x >= 24 ? 1 : (static_cast<double>(x) - 12 + 0.5) / 12;
    EXPECT_NEAR(row[x].item<double>(), expected, 1e-6) << x;
  }
}

TEST(EnlargeTiled, RefusesAnOverlapOfAWholeTile) {
  EXPECT_THROW(enlarge_tiled(nearest, picture(20, 20), {.tile = 8, .overlap = 8, .scale = 3}),
               std::invalid_argument);
}

TEST(EnlargeEnsemble, AveragesTheEightOrientationsTurnedBack) {
  const at::Tensor x = picture(5, 7);
  EXPECT_TRUE(at::allclose(enlarge_ensemble(nearest, x), nearest(x)));
  // Something that depends on the orientation: a ramp to the right. The mean over the group has no
  // direction left.
  std::set<std::string> seen;
  const at::Tensor mean = enlarge_ensemble(
      [&](const at::Tensor& tile) {
        const at::Tensor first = tile[0][0][0][0];
        seen.insert(std::to_string(first.item<float>()) + (tile.size(2) == 5 ? "" : " turned"));
        return at::linspace(-1, 1, tile.size(3)).expand_as(tile).clone();
      },
      x);
  EXPECT_EQ(seen.size(), 8U);
  EXPECT_LT(mean.abs().max().item<double>(), 1e-6);
}

// What the network sees tells tiles from the whole, and one orientation from eight.
TEST(Enlarge, InTilesOfEveryOrientation) {
  const at::Tensor x = picture(10, 24);
  for (const int64_t tile : {0, 16}) {
    for (const bool ensemble : {false, true}) {
      int calls = 0;
      const Enlarger network = [&](const at::Tensor& part) {
        ++calls;
        EXPECT_EQ(std::max(part.size(2), part.size(3)), tile == 0 ? 24 : 16);
        return nearest(part);
      };
      const at::Tensor y = enlarge(network, x, {.tile = tile, .overlap = 4, .scale = 3}, ensemble);
      EXPECT_TRUE(at::allclose(y, nearest(x), 1e-5, 1e-6));
      EXPECT_EQ(calls, (tile == 0 ? 1 : 2) * (ensemble ? 8 : 1));
    }
  }
}

}  // namespace
}  // namespace nala::eval
