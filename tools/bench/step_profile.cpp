#include "bench/step_profile.h"

#include <ATen/SequenceNumber.h>
#include <ATen/record_function.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <algorithm>
#include <chrono>
#include <memory>

namespace nala::tools {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_between(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration<double, std::milli>(end - begin).count();
}

// What an operator that is taken as a whole lets count of the ones it calls.
enum class Inner { nothing, arithmetic, everything };

// An operator that is running.
struct Frame : at::ObserverContext {
  Frame* parent = nullptr;
  OperatorCall call;
  std::optional<OperatorKind> kind;
  bool whole = false;  // takes its callees' time as its own
  Inner inner = Inner::nothing;
  Work work;  // of a whole one
  std::optional<OwnOperator> own;
  uint64_t first_node = 0;    // of the backward pass that it makes
  uint32_t counted = 0;       // the kinds whose work was counted in callees
  Clock::time_point entered;  // before it was looked at
  Clock::time_point begin;    // and after
  double callees_ms = 0;      // with the time it took to look at them
  double folded_ms = 0;       // of callees that are counted here

  [[nodiscard]] const Frame* enclosing_whole() const {
    for (const Frame* frame = parent; frame != nullptr; frame = frame->parent) {
      if (frame->whole) {
        return frame;
      }
    }
    return nullptr;
  }
};

// What one of our operators put into the graph, by the graph's numbers.
struct GraphPart {
  uint64_t first = 0, end = 0;
  OwnOperator own;
};

uint32_t bit_of(OperatorKind kind) {
  return uint32_t{1} << static_cast<uint32_t>(kind);
}

// Follows one step. The allocators take what lies under PROFILER_STATE for one of theirs.
class Recording : public c10::MemoryReportingInfoBase {
 public:
  explicit Recording(const Roofs& roofs) : roofs_(roofs) {}

  void reportMemoryUsage(void*, int64_t, size_t, size_t, c10::Device) override {}
  [[nodiscard]] bool memoryProfilingEnabled() const override { return false; }

  StepProfile run(const std::function<void()>& work) {
    root_.begin = Clock::now();
    work();
    const double own =
        milliseconds_between(root_.begin, Clock::now()) - root_.callees_ms + root_.folded_ms;
    totals(OperatorKind::other).ms += own;
    for (const KindTotals& kind : profile_.kinds) {
      profile_.ms += kind.ms;
    }
    return profile_;
  }

  std::unique_ptr<Frame> enter(const at::RecordFunction& function) {
    auto frame = std::make_unique<Frame>();
    frame->entered = Clock::now();
    frame->parent = top_;
    frame->call = {
        .name = function.name(), .inputs = operands_of(function.inputs()), .outputs = {}};
    frame->first_node = at::sequence_number::peek();
    if (frame->call.name == kOptimizerScope) {
      take_whole(*frame, OperatorKind::optimizer, Inner::everything);
    } else if (function.scope() == at::RecordScope::BACKWARD_FUNCTION) {
      recognise_backward(*frame, function.seqNr());
    } else if ((frame->own = own_operator(frame->call))) {
      take_whole(*frame, frame->own->kind, Inner::nothing);
      frame->work = frame->own->forward;
    } else {
      frame->kind = kind_of(frame->call);
    }
    top_ = frame.get();
    frame->begin = Clock::now();
    return frame;
  }

  void leave(Frame& frame, const at::RecordFunction& function) {
    const Clock::time_point end = Clock::now();
    frame.call.outputs = operands_of(
        c10::ArrayRef<const c10::IValue>(function.outputs().data(), function.outputs().size()));
    if (frame.own && at::sequence_number::peek() > frame.first_node) {
      graph_.push_back({frame.first_node, at::sequence_number::peek(), *frame.own});
    }
    Frame& parent = *frame.parent;
    const std::optional<OperatorKind> kind = count_work(frame);
    const double own = milliseconds_between(frame.begin, end) - frame.callees_ms + frame.folded_ms;
    if (kind) {
      totals(*kind).ms += own;
    } else {
      parent.folded_ms += own;
    }
    parent.counted |= frame.counted;
    top_ = &parent;
    parent.callees_ms += milliseconds_between(frame.entered, Clock::now());
  }

 private:
  KindTotals& totals(OperatorKind kind) { return profile_.kinds[static_cast<size_t>(kind)]; }

  static void take_whole(Frame& frame, OperatorKind kind, Inner inner) {
    frame.kind = kind;
    frame.whole = true;
    frame.inner = inner;
  }

  // A part of the graph that one of our operators made is its backward.
  void recognise_backward(Frame& frame, int64_t number) {
    for (const GraphPart& part : graph_) {
      if (number >= static_cast<int64_t>(part.first) && number < static_cast<int64_t>(part.end)) {
        take_whole(frame, part.own.kind,
                   part.own.backward.any() ? Inner::nothing : Inner::arithmetic);
        frame.work = part.own.backward;
      }
    }
  }

  // Counts what the call did, and says which kind its time belongs to; none: its caller's.
  std::optional<OperatorKind> count_work(Frame& frame) {
    const Frame* const whole = frame.enclosing_whole();
    if (frame.whole && whole == nullptr) {
      if (frame.work.any()) {
        add(*frame.kind, *frame.kind, frame.work, frame);
      }
      return frame.kind;
    }
    if (whole != nullptr && whole->inner == Inner::nothing) {
      return std::nullopt;
    }
    const Work work = frame.whole ? frame.work : work_of(frame.call);
    const OperatorKind named = frame.kind.value_or(OperatorKind::elementwise);
    // An operator that is made of others of its kind does nothing itself.
    const bool composed = frame.kind ? (frame.counted & bit_of(named)) != 0 : frame.counted != 0;
    const bool counts = work.any() && !composed;
    if (whole != nullptr) {
      if (counts && (whole->inner == Inner::everything || work.flop > 0)) {
        add(*whole->kind, named, work, frame);
      }
      return std::nullopt;
    }
    if (counts) {
      add(named, named, work, frame);
      return named;
    }
    return frame.kind;
  }

  void add(OperatorKind kind, OperatorKind named, const Work& work, Frame& frame) {
    KindTotals& own = totals(kind);
    const bool half = c10::elementSize(work.dtype) == 2;
    const double rate = half ? roofs_.half_gflop_per_s : roofs_.float32_gflop_per_s;
    const double arithmetic = work.flop / rate / 1e6;
    const double memory = work.bytes / roofs_.copy_gb_per_s / 1e6;
    ++own.calls;
    own.gflop += work.flop / 1e9;
    own.gigabytes += work.bytes / 1e9;
    own.arithmetic_ms += arithmetic;
    own.memory_ms += memory;
    own.floor_ms += std::max(arithmetic, memory);
    frame.counted |= bit_of(named);
  }

  Roofs roofs_;
  StepProfile profile_;
  std::vector<GraphPart> graph_;
  Frame root_;
  Frame* top_ = &root_;
};

Recording* current_recording() {
  return static_cast<Recording*>(
      c10::ThreadLocalDebugInfo::get(c10::DebugInfoKind::PROFILER_STATE));
}

std::unique_ptr<at::ObserverContext> on_start(const at::RecordFunction& function) {
  Recording* const recording = current_recording();
  return recording == nullptr ? nullptr : recording->enter(function);
}

void on_end(const at::RecordFunction& function, at::ObserverContext* context) {
  if (context != nullptr) {
    current_recording()->leave(static_cast<Frame&>(*context), function);
  }
}

// Listens while it lives.
class Listening {
 public:
  explicit Listening(const std::shared_ptr<Recording>& recording)
      : guard_(c10::DebugInfoKind::PROFILER_STATE, recording),
        handle_(at::addThreadLocalCallback(
            at::RecordFunctionCallback(on_start, on_end)
                .needsInputs(true)
                .needsOutputs(true)
                .scopes({at::RecordScope::FUNCTION, at::RecordScope::BACKWARD_FUNCTION,
                         at::RecordScope::USER_SCOPE}))) {}
  ~Listening() { at::removeCallback(handle_); }
  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;

 private:
  c10::DebugInfoGuard guard_;
  at::CallbackHandle handle_;
};

}  // namespace

StepProfile profile_step(const std::function<void()>& work,
                         const Roofs& roofs,
                         const Repetition& repetition) {
  std::vector<StepProfile> steps;
  double total = 0;
  for (int64_t i = 0; i < repetition.most; ++i) {
    if (i >= repetition.least && total >= 1e3 * repetition.seconds) {
      break;
    }
    const auto recording = std::make_shared<Recording>(roofs);
    const Listening listening(recording);
    steps.push_back(recording->run(work));
    total += steps.back().ms;
  }
  std::sort(steps.begin(), steps.end(),
            [](const StepProfile& a, const StepProfile& b) { return a.ms < b.ms; });
  return steps[(steps.size() - 1) / 2];
}

}  // namespace nala::tools
