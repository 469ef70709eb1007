// What the data decide of a recipe.
#pragma once

#include <string>

#include "data/dataset.h"
#include "train/recipe.h"

namespace nala::train {

/// Writes into the recipe what the network and its checkpoints take from the training set: the
/// number of classes and their colours, the scale of super-resolution. Throws Error(config) where
/// the recipe states something that contradicts the data.
void fit_to_data(Recipe& recipe, const data::Dataset& train_set);

/// What is to be said where the decoded training pictures of super-resolution do not fit into their
/// cache, so that they are decoded again and again; else empty.
std::string remark_on_cache(const data::Dataset& train_set);

}  // namespace nala::train
