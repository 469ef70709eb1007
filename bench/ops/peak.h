// What the machine's arithmetic units can do at most.
#pragma once

namespace nala::bench {

/// GFLOP/s of `threads` threads that do nothing but multiply and add float32 in registers; 0 where
/// the processor has no AVX-512. Takes some 0.1 s.
double peak_gflops(int threads);

}  // namespace nala::bench
