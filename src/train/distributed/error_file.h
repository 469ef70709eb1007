// Telling torchrun why a process failed, so that it can name the root cause.
#pragma once

#include <string>

namespace nala::train {

/// Writes `message` with the time to the file that TORCHELASTIC_ERROR_FILE names, in the form of
/// torch.distributed.elastic; does nothing where the variable is not set. Never throws: it is
/// called while another error is being reported.
void write_error_file(const std::string& message) noexcept;

}  // namespace nala::train
