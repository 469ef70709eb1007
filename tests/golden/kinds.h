// The kinds of entry, one function each: they add test failures, or throw.
#pragma once

#include "entry.h"

namespace nala::golden {

void check_attention_op(const Entry& entry);
void check_rope(const Entry& entry);
void check_module(const Entry& entry);
void check_model_weights(const Entry& entry);
void check_model(const Entry& entry);
void check_variant(const Entry& entry);
void check_variant_logits(const Entry& entry);
void check_variant_grads(const Entry& entry);
void check_checkpoint_pth(const Entry& entry);
void check_checkpoint_safetensors(const Entry& entry);
void check_checkpoint_logits(const Entry& entry);
void check_lr_schedule(const Entry& entry);
void check_weight_decay_groups(const Entry& entry);
void check_training_trajectory(const Entry& entry);

}  // namespace nala::golden
