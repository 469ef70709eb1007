// The whole run as one tree of settings: what a configuration file says.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/config.h"
#include "data/config.h"
#include "models/config.h"
#include "models/task.h"
#include "train/amp.h"
#include "train/distill_config.h"
#include "train/distributed/config.h"
#include "train/ema.h"
#include "train/optimizer.h"
#include "train/schedule.h"
#include "train/tasks/segment_config.h"
#include "train/tasks/upscale_config.h"

namespace nala::train {

struct OpsConfig {
  std::string implementation = "auto";

  template <class V>
  static void fields(OpsConfig& c, V&& v) {
    v("implementation", c.implementation,
      "which kernels compute the attention: auto, or a name that `doctor` lists");
  }
};

struct TrainConfig {
  double epochs = 300;
  int64_t max_steps = 0;
  Amp amp = Amp::none;
  int64_t accumulate = 1;
  double clip_norm = 0;
  double label_smoothing = 0.1;
  std::vector<std::string> freeze;
  int64_t log_every = 50;
  double eval_every_epochs = 1;
  int64_t eval_every_steps = 0;
  std::vector<int64_t> grad_checkpointing;
  bool deterministic = true;

  template <class V>
  static void fields(TrainConfig& c, V&& v) {
    v("epochs", c.epochs, "length of the run", config::above(0));
    v("max_steps", c.max_steps, "length of the run in optimizer steps; 0: as `epochs` says",
      config::at_least(0));
    v("amp", c.amp, "mixed precision; fp16 needs CUDA and scales the loss");
    v("accumulate", c.accumulate, "batches per optimizer step", config::at_least(1));
    v("clip_norm", c.clip_norm, "largest global norm of the gradients; 0: no clipping",
      config::at_least(0));
    v("label_smoothing", c.label_smoothing, "share of the target spread over all classes",
      config::between(0, 1));
    v("freeze", c.freeze,
      "patterns of parameters that stay as they are, such as [\"*\", \"!head\"]; []: none");
    v("log_every", c.log_every, "steps between lines of metrics.jsonl", config::at_least(1));
    v("eval_every_epochs", c.eval_every_epochs, "epochs between evaluations; 0: at the end alone",
      config::at_least(0));
    v("eval_every_steps", c.eval_every_steps,
      "optimizer steps between evaluations; 0: as eval_every_epochs says", config::at_least(0));
    v("grad_checkpointing", c.grad_checkpointing,
      "stages (0 to 3) computed again in the backward pass instead of kept in memory",
      config::between(0, 3));
    v("deterministic", c.deterministic, "refuse operations without a deterministic form");
  }
};

struct InitConfig {
  config::Path checkpoint;

  template <class V>
  static void fields(InitConfig& c, V&& v) {
    v("checkpoint", c.checkpoint,
      "start from these weights (a checkpoint, .safetensors or the authors' .pth)");
  }
};

struct CheckpointConfig {
  int64_t every_steps = 0;
  int64_t keep = 2;

  template <class V>
  static void fields(CheckpointConfig& c, V&& v) {
    v("every_steps", c.every_steps, "optimizer steps between checkpoints; 0: once per epoch",
      config::at_least(0));
    v("keep", c.keep, "how many of the newest to keep, beside the best", config::at_least(1));
  }
};

struct Recipe {
  models::Task task = models::Task::classification;
  models::ModelConfig model;
  OpsConfig ops;
  data::DataConfig data;
  TrainConfig train;
  OptimizerConfig optimizer;
  ScheduleConfig schedule;
  EmaConfig ema;
  DistillConfig distill;
  DistributedConfig distributed;
  SegmentConfig segmentation;
  UpscaleConfig super_resolution;
  InitConfig init;
  CheckpointConfig checkpoint;
  int64_t seed = 0;
  std::string output = "runs/default";

  template <class V>
  static void fields(Recipe& c, V&& v) {
    v("task", c.task, "what the network is to do");
    v("model", c.model, "the network");
    v("ops", c.ops, "the operators");
    v("data", c.data, "the pictures");
    v("train", c.train, "the run");
    v("optimizer", c.optimizer, "the update rule");
    v("schedule", c.schedule, "the learning rate over time");
    v("ema", c.ema, "the averaged weights");
    v("distill", c.distill, "a network to learn from");
    v("distributed", c.distributed, "runs of several processes");
    v("segmentation", c.segmentation, "what segmentation optimises");
    v("super_resolution", c.super_resolution, "what super-resolution optimises and evaluates");
    v("init", c.init, "where the weights come from");
    v("checkpoint", c.checkpoint, "what is kept on disk");
    v("seed", c.seed, "all randomness is a function of this, the epoch and the position",
      config::at_least(0));
    v("output", c.output, "folder of the run, relative to the working folder");
  }
  static void check(const Recipe& c, const config::Where& fail) {
    if (c.output.empty()) {
      fail("output", "expected the name of a folder");
    }
  }
};

}  // namespace nala::train
