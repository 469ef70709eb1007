// The tables of `nalaformer reproduce`: one function and one file each, listed in
// cmd_reproduce.cpp.
#pragma once

namespace nala::tools {

/// Each takes the words from its own name on and returns the exit status; each throws Error.
int reproduce_ablation(int argc, char** argv);
int reproduce_imagenet(int argc, char** argv);
int reproduce_ade20k(int argc, char** argv);
int reproduce_kernels(int argc, char** argv);
int reproduce_super_resolution(int argc, char** argv);
int reproduce_memory(int argc, char** argv);

}  // namespace nala::tools
