#include "train/distributed/group.h"

#include <torch/torch.h>

#include <algorithm>
#include <cstring>
#include <future>
#include <thread>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <torch/csrc/distributed/c10d/comm.hpp>

#include "core/error.h"
#include "train/distributed/address.h"
#include "train/distributed/backends.h"

namespace nala::train {
namespace {

using Clock = std::chrono::steady_clock;

// How long a rank that lost others waits for them to report as well.
constexpr std::chrono::milliseconds kInquiry{2000};
constexpr std::chrono::milliseconds kPoll{100};
constexpr size_t kBroadcastBytes = size_t{32} << 20;

std::string reason_of(const std::exception& problem) {
  const auto* const torch_error = dynamic_cast<const c10::Error*>(&problem);
  std::string reason =
      torch_error != nullptr ? torch_error->what_without_backtrace() : problem.what();
  return reason.substr(0, reason.find('\n'));
}

std::string seconds_text(std::chrono::milliseconds time) {
  return std::to_string(time.count() / 1000) + " s";
}

at::Tensor tensor_of(const std::string& text) {
  at::Tensor bytes = at::empty({static_cast<int64_t>(text.size())}, at::kByte);  // (bytes)
  std::memcpy(bytes.data_ptr(), text.data(), text.size());
  return bytes;
}

c10::intrusive_ptr<c10d::Store> meet(const Launch& launch, const Group::Options& options) {
  c10d::TCPStoreOptions tcp;
  tcp.port = launch.port;
  tcp.isServer = launch.rank == 0 && !launch.agent_store;
  tcp.numWorkers = static_cast<size_t>(launch.world);
  tcp.waitWorkers = !launch.agent_store;
  tcp.timeout = options.timeout;
  tcp.masterListenFd = launch.listening;
  try {
    // The launcher's store outlives its attempts: each has keys of its own.
    return c10::make_intrusive<c10d::PrefixStore>(
        "nalaformer/" + std::to_string(launch.attempt),
        c10::make_intrusive<c10d::TCPStore>(launch.address, tcp));
  } catch (const std::exception& problem) {
    throw LostPeers("rank " + std::to_string(launch.rank) + " of " + std::to_string(launch.world) +
                    ": the processes did not all meet at " + launch.address + ":" +
                    std::to_string(launch.port) + " within " + seconds_text(options.timeout) +
                    ": " + reason_of(problem));
  }
}

// What the other ranks say. Whoever is stuck as well leaves word within seconds: those that stay
// silent are to blame.
std::string inquire(c10d::Store& store, const Launch& launch, const std::string& what) {
  store.set("stuck/" + std::to_string(launch.rank), what);
  std::vector<int64_t> silent;
  const auto deadline = Clock::now() + kInquiry;
  do {
    silent.clear();
    for (int64_t other = 0; other < launch.world; ++other) {
      const std::string key = std::to_string(other);
      if (store.check({"failed/" + key})) {
        return "; rank " + key + " failed before: " + store.get_to_str("failed/" + key);
      }
      if (!store.check({"stuck/" + key})) {
        silent.push_back(other);
      }
    }
    std::this_thread::sleep_for(kPoll);
  } while (!silent.empty() && Clock::now() < deadline);
  std::string ranks;
  for (const int64_t other : silent) {
    ranks += " rank " + std::to_string(other);
  }
  return ranks.empty() ? ranks : "; gone, stopped, or busy with something else:" + ranks;
}

}  // namespace

struct Group::Connection {
  c10::intrusive_ptr<c10d::Store> store;
  c10::intrusive_ptr<c10d::ProcessGroup> processes;  // null when alone
};

Group::Group() : connection_(std::make_unique<Connection>()) {}

Group::Group(const Launch& launch, const Options& options)
    : Group(launch.world == 1 ? nullptr : meet(launch, options), launch, options) {}

Group::Group(const c10::intrusive_ptr<c10d::Store>& store,
             const Launch& launch,
             const Options& options)
    : launch_(launch),
      options_(options),
      connection_(std::make_unique<Connection>(Connection{store, {}})) {
  if (!alone()) {
    connect();
  }
}

Group::~Group() = default;

const c10::intrusive_ptr<c10d::ProcessGroup>& Group::process_group() const {
  return connection_->processes;
}

void Group::connect() {
  const auto rank = static_cast<int>(launch_.rank);
  const auto world = static_cast<int>(launch_.world);
  const BackendOptions backend{.rank = rank,
                               .world = world,
                               .timeout = options_.timeout,
                               .address = reachable_address(launch_)};
  guard("connecting", [&] {
    using BackendType = c10d::ProcessGroup::BackendType;
    const bool cuda = options_.device.is_cuda();
    auto& [store, processes] = *connection_;
    processes = c10::make_intrusive<c10d::ProcessGroup>(store, rank, world);
    processes->setBackend(
        at::kCPU, BackendType::GLOO,
        make_gloo(c10::make_intrusive<c10d::PrefixStore>("gloo", store), backend));
    if (cuda) {
      processes->setBackend(
          at::kCUDA, BackendType::NCCL,
          make_nccl(c10::make_intrusive<c10d::PrefixStore>("nccl", store), backend));
    }
    processes->setDefaultBackend(cuda ? BackendType::NCCL : BackendType::GLOO);
  });
}

std::string Group::name() const {
  return alone() ? std::string()
                 : "rank " + std::to_string(rank()) + " of " + std::to_string(world());
}

void Group::sum(const at::Tensor& tensor, std::string_view what) const {
  if (!alone()) {
    guard(what, [&] {
      const at::NoGradGuard no_grad;
      std::vector<at::Tensor> list{tensor};
      process_group()->allreduce(list)->wait();
    });
  }
}

void Group::broadcast(const at::Tensor& tensor, std::string_view what) const {
  broadcast(std::vector<at::Tensor>{tensor}, what);
}

void Group::broadcast(const std::vector<at::Tensor>& tensors, std::string_view what) const {
  if (!alone() && !tensors.empty()) {
    guard(what, [&] {
      const at::NoGradGuard no_grad;
      c10d::broadcast_coalesced(process_group(), tensors, kBroadcastBytes, 0);
    });
  }
}

std::string Group::broadcast(const std::string& text, std::string_view what) const {
  if (alone()) {
    return text;
  }
  const at::Tensor size = at::full({1}, static_cast<int64_t>(text.size()), at::kLong);  // (1)
  broadcast(size, what);
  at::Tensor bytes =
      leads() ? tensor_of(text) : at::empty({size.item<int64_t>()}, at::kByte);  // (bytes)
  if (bytes.numel() > 0) {
    broadcast(bytes, what);
  }
  return {static_cast<const char*>(bytes.const_data_ptr()), static_cast<size_t>(bytes.numel())};
}

std::vector<std::string> Group::gather(const std::string& text, std::string_view what) const {
  if (alone()) {
    return {text};
  }
  at::Tensor sizes = at::zeros({world()}, at::kLong);  // (world)
  sizes[rank()] = static_cast<int64_t>(text.size());
  sum(sizes, what);
  const auto longest = sizes.max().item<int64_t>();
  at::Tensor all = at::zeros({world(), longest}, at::kByte);  // (world, longest)
  all[rank()].narrow(0, 0, static_cast<int64_t>(text.size())).copy_(tensor_of(text));
  if (longest > 0) {
    sum(all, what);
  }
  std::vector<std::string> texts;
  for (int64_t i = 0; i < world(); ++i) {
    texts.emplace_back(static_cast<const char*>(all.const_data_ptr()) + i * longest,
                       static_cast<size_t>(sizes[i].item<int64_t>()));
  }
  return texts;
}

void Group::barrier(std::string_view what) const {
  sum(at::zeros({1}), what);
}

void Group::guard(std::string_view what, const std::function<void()>& operation) const {
  try {
    operation();
  } catch (const Error&) {
    throw;
  } catch (const LostPeers&) {
    throw;
  } catch (const std::exception& problem) {
    if (alone()) {
      throw;
    }
    blame(what, reason_of(problem));
  }
}

void Group::announce_failure(const std::string& message) const noexcept {
  if (connection_->store) {
    try {
      connection_->store->set("failed/" + std::to_string(rank()), message);
    } catch (...) {  // nobody is left to tell
    }
  }
}

void Group::blame(std::string_view what, const std::string& reason) const {
  std::string message = name() + ": " + std::string(what) + " failed: " + reason;
  // The meeting point may be a process that is stopped: nothing else gives up waiting for it.
  auto answer = std::make_shared<std::promise<std::string>>();
  std::future<std::string> findings = answer->get_future();
  std::thread([answer, store = connection_->store, launch = launch_, own = std::string(what)] {
    try {
      answer->set_value(inquire(*store, launch, own));
    } catch (...) {
      answer->set_exception(std::current_exception());
    }
  }).detach();
  try {
    message += findings.wait_for(kInquiry + kInquiry / 2) == std::future_status::ready
                   ? findings.get()
                   : "; rank 0 does not answer either";
  } catch (const std::exception&) {
    message += "; the meeting point, " + launch_.address + ":" + std::to_string(launch_.port) +
               ", is gone" + (launch_.agent_store ? "" : " with rank 0");
  }
  throw LostPeers(message + " (time-out: " + seconds_text(options_.timeout) + ")");
}

}  // namespace nala::train
