#include "io/state_dict.h"

#include <torch/torch.h>

#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/error.h"
#include "io/shown.h"

namespace nala::io {
namespace {

void collect(const torch::nn::Module& module, const std::string& prefix, NamedTensors& out) {
  const auto add = [&](const auto& own) {
    for (const auto& item : own) {
      if (item.value().defined()) {
        out.emplace_back(prefix + item.key(), item.value());
      }
    }
  };
  add(module.named_parameters(/*recurse=*/false));
  add(module.named_buffers(/*recurse=*/false));
  for (const auto& child : module.named_children()) {
    collect(*child.value(), prefix + child.key() + ".", out);
  }
}

struct Copy {
  at::Tensor to;
  at::Tensor from;
};

// What a load would do, without doing it.
LoadReport compare(const NamedTensors& own,
                   const NamedTensors& tensors,
                   std::vector<Copy>& copies) {
  std::unordered_map<std::string_view, const at::Tensor*> found;
  for (const auto& [name, tensor] : tensors) {
    found[name] = &tensor;
  }
  LoadReport report;
  std::unordered_set<std::string_view> known;
  for (const auto& [name, tensor] : own) {
    known.insert(name);
    const auto entry = found.find(name);
    if (entry == found.end()) {
      report.missing.push_back(name);
    } else if (entry->second->sizes() != tensor.sizes()) {
      report.reshaped.push_back({name, entry->second->sizes().vec(), tensor.sizes().vec()});
    } else {
      report.loaded.push_back(name);
      copies.push_back({tensor, *entry->second});
    }
  }
  for (const auto& [name, tensor] : tensors) {
    if (!known.contains(name)) {
      report.unexpected.push_back(name);
    }
  }
  return report;
}

void carry_out(const std::vector<Copy>& copies) {
  const torch::NoGradGuard no_grad;
  for (const Copy& copy : copies) {
    at::Tensor to = copy.to;  // the module's shape
    to.copy_(copy.from);
  }
}

std::string list(const std::string& title, const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    text += (text.empty() ? title + ": " : ", ") + in_quotes(name);
  }
  return text;
}

// How many names begin with each prefix that ends in a dot.
using PrefixCounts = std::unordered_map<std::string_view, size_t>;

void count_prefixes(const std::vector<std::string>& names, PrefixCounts& counts) {
  for (const std::string_view name : names) {
    for (size_t dot = name.find('.'); dot != name.npos; dot = name.find('.', dot + 1)) {
      ++counts[name.substr(0, dot + 1)];
    }
  }
}

// The shortest prefix below which all names are of this list; empty where there is none.
std::string_view common_prefix(std::string_view name,
                               const PrefixCounts& of_list,
                               const PrefixCounts& of_all) {
  for (size_t dot = name.find('.'); dot != name.npos; dot = name.find('.', dot + 1)) {
    const std::string_view prefix = name.substr(0, dot + 1);
    const size_t count = of_list.at(prefix);
    if (count > 1 && count == of_all.at(prefix)) {
      return prefix;
    }
  }
  return {};
}

std::string list_collapsed(const std::string& title,
                           const std::vector<std::string>& names,
                           const PrefixCounts& of_all) {
  constexpr size_t kMostShown = 24;
  PrefixCounts of_list;
  count_prefixes(names, of_list);
  std::unordered_set<std::string_view> told;
  std::vector<std::string> entries;
  for (const std::string& name : names) {
    const std::string_view prefix = common_prefix(name, of_list, of_all);
    if (prefix.empty()) {
      entries.push_back(in_quotes(name));
    } else if (told.insert(prefix).second) {
      entries.push_back(in_quotes(std::string(prefix) + "*") + " (" +
                        std::to_string(of_list.at(prefix)) + ")");
    }
  }
  std::string text = title + " " + std::to_string(names.size());
  for (size_t i = 0; i < std::min(entries.size(), kMostShown); ++i) {
    text += (i == 0 ? ": " : ", ") + entries[i];
  }
  return text + (entries.size() > kMostShown
                     ? " and " + std::to_string(entries.size() - kMostShown) + " more"
                     : "");
}

std::vector<std::string> shape_changes(const std::vector<LoadReport::Reshaped>& reshaped) {
  std::vector<std::string> changes;
  for (const LoadReport::Reshaped& entry : reshaped) {
    changes.push_back(entry.name + " " + shape_text(entry.found) + " instead of " +
                      shape_text(entry.expected));
  }
  return changes;
}

}  // namespace

NamedTensors state_dict(const torch::nn::Module& module) {
  NamedTensors all;
  collect(module, "", all);
  return all;
}

bool LoadReport::complete() const {
  return missing.empty() && unexpected.empty() && reshaped.empty();
}

std::string LoadReport::summary() const {
  return std::to_string(loaded.size()) + " loaded, " + std::to_string(missing.size()) +
         " missing, " + std::to_string(unexpected.size()) + " unexpected, " +
         std::to_string(reshaped.size()) + " reshaped";
}

std::string LoadReport::differences() const {
  std::string text;
  for (const std::string& part : {list("missing", missing), list("unexpected", unexpected),
                                  list("reshaped", shape_changes(reshaped))}) {
    text += (text.empty() || part.empty() ? "" : "; ") + part;
  }
  return text;
}

std::string LoadReport::overview() const {
  std::vector<std::string> other_shape;
  for (const Reshaped& entry : reshaped) {
    other_shape.push_back(entry.name);
  }
  PrefixCounts of_all;
  for (const auto* names : {&loaded, &missing, &unexpected, &std::as_const(other_shape)}) {
    count_prefixes(*names, of_all);
  }
  std::string text = list_collapsed("loaded", loaded, of_all);
  if (!missing.empty()) {
    text += "\n" + list_collapsed("not in the file", missing, of_all);
  }
  if (!unexpected.empty()) {
    text += "\n" + list_collapsed("not in the model", unexpected, of_all);
  }
  if (!reshaped.empty()) {
    text += "\n" + list("of another shape", shape_changes(reshaped));
  }
  return text;
}

LoadReport load_state_dict(torch::nn::Module& module, const NamedTensors& tensors) {
  std::vector<Copy> copies;
  LoadReport report = compare(state_dict(module), tensors, copies);
  carry_out(copies);
  return report;
}

void load_state_dict_strictly(torch::nn::Module& module,
                              const NamedTensors& tensors,
                              const std::string& source) {
  std::vector<Copy> copies;
  const LoadReport report = compare(state_dict(module), tensors, copies);
  if (!report.complete()) {
    throw Error(ErrorKind::checkpoint, source + ": does not fit the model (" + report.summary() +
                                           "): " + report.differences() +
                                           "; use the model that the file was written from");
  }
  carry_out(copies);
}

}  // namespace nala::io
