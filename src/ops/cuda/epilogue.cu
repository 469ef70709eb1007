#include "combine_kernel.cuh"
#include "epilogue_kernels.cuh"

namespace nala::cuda {
namespace {

Stream stream_of(const void* stream) {
  return static_cast<Stream>(const_cast<void*>(stream));
}

}  // namespace

int64_t epilogue_workspace_floats(const EpilogueInputs& in) {
  return static_cast<int64_t>(epilogue_backward_blocks(in)) * 2 * in.channels;
}

void launch_epilogue_forward(const EpilogueForward& arguments, const void* stream) {
  const int blocks = (arguments.in.rows + kEpilogueWarps - 1) / kEpilogueWarps;
  launch(&epilogue_forward_kernel, {static_cast<unsigned>(blocks), kEpilogueThreads, 0},
         stream_of(stream), arguments);
}

void launch_epilogue_backward(const EpilogueBackward& arguments, const void* stream) {
  const int channels = arguments.in.channels;
  const int blocks = epilogue_backward_blocks(arguments.in);
  const size_t shared_bytes = sizeof(float) * kEpilogueWarps * 2 * channels;
  launch(&epilogue_backward_kernel, {static_cast<unsigned>(blocks), kEpilogueThreads, shared_bytes},
         stream_of(stream), arguments);
  CombineArguments combine;
  combine.partial = arguments.partial;
  combine.part_floats = 2 * channels;
  combine.parts = blocks;
  combine.columns = channels;
  combine.pitch = channels;
  combine.first_rows = 1;
  combine.second_rows = 1;
  combine.second_row = 1;
  combine.first = arguments.dweight;
  combine.second = arguments.dbias;
  combine.blocks_per_item = combine_blocks_per_item(combine);
  launch(&combine_kernel,
         {static_cast<unsigned>(combine.blocks_per_item), kCombineThreads, sizeof(CombineShared)},
         stream_of(stream), combine);
}

}  // namespace nala::cuda
