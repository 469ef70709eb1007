// A batch as one picture.
#pragma once

#include "data/image.h"
#include "data/loader.h"

namespace nala::data {

/// The batch's pictures as the model sees them, normalisation undone (values outside 0 ... 255
/// cut), in rows of `columns`, two pixels apart.
Image contact_sheet(const Batch& batch, const DataConfig& config, int64_t columns);

}  // namespace nala::data
