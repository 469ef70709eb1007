#include "io/truth_values.h"

#include <torch/torch.h>

#include <algorithm>

#include "core/error.h"
#include "io/shown.h"

namespace nala::io {

void check_truth_values(const at::Tensor& tensor, const std::string& file, const std::string& key) {
  if (tensor.scalar_type() != at::kBool) {
    return;
  }
  const auto* bytes = static_cast<const unsigned char*>(tensor.const_data_ptr());
  if (std::any_of(bytes, bytes + tensor.numel(), [](unsigned char byte) { return byte > 1; })) {
    throw Error(ErrorKind::checkpoint,
                file + ": " + in_quotes(key) + ": holds a truth value that is neither 0 nor 1");
  }
}

}  // namespace nala::io
