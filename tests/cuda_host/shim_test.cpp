// The shim must catch what a kernel can do wrong: small kernels with one mistake each.
#include <gtest/gtest.h>

#include <string>

#include "portable.cuh"

namespace nala::cuda_host {
namespace {

enum class Mistake {
  none,
  no_barrier,
  barrier_in_branch,
  early_return,
  shuffle_in_branch,
  narrow_mask,
  shared_overrun,
  too_much_shared,
  unwritten_shared,
};

struct Arguments {
  float* out = nullptr;  // (64)
  Mistake mistake = Mistake::none;
};

struct Shared {
  float values[64];
};

struct More {
  float values[128];
};

// out[i] = 63 - i + (i ^ 1).
__global__ void reversed(Arguments a) {
  NALA_SHARED(Shared, shared);
  const int i = static_cast<int>(threadIdx.x);
  if (a.mistake == Mistake::early_return && i == 5) {
    return;
  }
  if (a.mistake != Mistake::unwritten_shared || i != 0) {
    shared.values[i] = static_cast<float>(i);
  }
  if (a.mistake == Mistake::shared_overrun && i == 63) {
    (&shared.values[0])[i + 1] = 0;
  }
  if (a.mistake == Mistake::too_much_shared) {
    NALA_SHARED(More, more);
    more.values[i] = 0;
  }
  if (a.mistake == Mistake::barrier_in_branch) {
    if (i < 32) {
      __syncthreads();
    }
  } else if (a.mistake != Mistake::no_barrier) {
    __syncthreads();
  }
  float other = 0;
  const unsigned mask = a.mistake == Mistake::narrow_mask ? 0xffffu : cuda::kAllLanes;
  if (a.mistake != Mistake::shuffle_in_branch || i % 2 == 0) {
    other = __shfl_xor_sync(mask, static_cast<float>(i), 1);
  }
  a.out[i] = shared.values[63 - i] + other;
}

// "" for the right result, "wrong" for another, else what the shim threw.
std::string outcome(Mistake mistake, unsigned order = 0) {
  float out[64] = {};
  shim::run_options().order = order;
  std::string text;
  try {
    cuda::launch(&reversed, {1, 64, sizeof(Shared)}, nullptr, Arguments{out, mistake});
    for (int i = 0; i < 64; ++i) {
      text = out[i] == static_cast<float>(63 - i + (i ^ 1)) ? text : "wrong";
    }
  } catch (const shim::Error& error) {
    text = error.what();
  }
  shim::run_options() = {};
  return text;
}

bool holds(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

TEST(Shim, RunsARightKernelInEveryOrder) {
  for (const unsigned order : {0u, 1u, 2u, 7u}) {
    EXPECT_EQ(outcome(Mistake::none, order), "") << order;
  }
}

// A kernel that is given up leaves its fibers without the order that ThreadSanitizer asks for.
#if !defined(__SANITIZE_THREAD__)
TEST(Shim, RefusesWhatADeviceAnswersWithAHangOrGarbage) {
  EXPECT_TRUE(holds(outcome(Mistake::barrier_in_branch), "divergent barrier"));
  EXPECT_TRUE(holds(outcome(Mistake::early_return), "have left the kernel"));
  EXPECT_TRUE(holds(outcome(Mistake::shuffle_in_branch), "has left the kernel") ||
              holds(outcome(Mistake::shuffle_in_branch), "divergent"));
  EXPECT_TRUE(holds(outcome(Mistake::narrow_mask), "does not name all 32 lanes"));
  EXPECT_TRUE(holds(outcome(Mistake::too_much_shared), "bytes of shared memory, launched with"));
}
#endif

TEST(Shim, UnwrittenSharedMemoryIsNotANumber) {
  EXPECT_EQ(outcome(Mistake::unwritten_shared), "wrong");
}

// ThreadSanitizer reports this one itself, AddressSanitizer the next.
#if !defined(__SANITIZE_THREAD__)
TEST(Shim, AMissingBarrierGivesAWrongResultInSomeOrder) {
  EXPECT_EQ(outcome(Mistake::no_barrier, 0), "wrong");
}
#endif

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST(Shim, SeesAStoreBehindTheSharedMemory) {
  EXPECT_TRUE(holds(outcome(Mistake::shared_overrun), "store outside"));
}
#endif

TEST(Shim, RefusesImpossibleLaunches) {
  float out[64] = {};
  const Arguments arguments{out, Mistake::none};
  for (const cuda::LaunchShape& shape :
       {cuda::LaunchShape{0, 64, sizeof(Shared)}, cuda::LaunchShape{1, 48, sizeof(Shared)},
        cuda::LaunchShape{1, 2048, sizeof(Shared)}, cuda::LaunchShape{1, 64, 120 * 1024}}) {
    EXPECT_THROW(cuda::launch(&reversed, shape, nullptr, arguments), shim::Error);
  }
}

uint16_t bits_of(float x) {
  return __float2bfloat16(x).bits;
}

TEST(Shim, SixteenBitFloatsRoundAsOnTheDevice) {
  for (unsigned i = 0; i < 0x10000; ++i) {
    const __nv_bfloat16 brain{static_cast<uint16_t>(i)};
    const __half half{static_cast<uint16_t>(i)};
    if (!std::isnan(__bfloat162float(brain))) {
      ASSERT_EQ(__float2bfloat16(__bfloat162float(brain)).bits, i);
    }
    if (!std::isnan(__half2float(half))) {
      ASSERT_EQ(__float2half(__half2float(half)).bits, i);
    }
  }
  EXPECT_EQ(bits_of(1.0f + 1.0f / 256), 0x3f80);  // a tie goes to the even neighbour
  EXPECT_EQ(bits_of(1.0f + 3.0f / 256), 0x3f82);
  EXPECT_EQ(bits_of(3.4e38f), 0x7f80);
  EXPECT_EQ(__float2half(65520.0f).bits, 0x7c00);
}

}  // namespace
}  // namespace nala::cuda_host
