// The subjects of `nalaformer bench`: one function and one file each, listed in cmd_bench.cpp.
#pragma once

namespace nala::tools {

/// Each takes the words from its own name on and returns the exit status; each throws Error.
int bench_attention(int argc, char** argv);
int bench_model(int argc, char** argv);
int bench_loader(int argc, char** argv);
int bench_train(int argc, char** argv);

}  // namespace nala::tools
