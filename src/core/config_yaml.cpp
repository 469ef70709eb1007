// YAML text -> config::Value, through yaml-cpp's event stream: the one file that includes it.
//
// Events rather than its node tree, because the tree silently merges duplicate keys and expands
// aliases.

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <sstream>

#include "core/config.h"
#include "core/error.h"
#include "core/files.h"

namespace nala::config {
namespace {

constexpr size_t kMaxDepth = 32;
constexpr uint64_t kMaxFileBytes = 1 << 20;

[[noreturn]] void fail(const Mark& mark, const std::string& message) {
  throw Error(ErrorKind::config, mark.text() + ": " + message);
}

// Builds the tree from events; keys of mappings arrive as scalars in turn with their values.
class Builder : public YAML::EventHandler {
 public:
  explicit Builder(std::shared_ptr<const std::string> source) : source_(std::move(source)) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ > 0) {
      fail(at(mark), "a second document in one file");
    }
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_anchor(mark, anchor);
    add({.kind = Value::Kind::null, .mark = at(mark)});
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    fail(at(mark), "aliases are not supported; use 'base:' to share settings");
  }
  void OnScalar(const YAML::Mark& mark,
                const std::string& tag,
                YAML::anchor_t anchor,
                const std::string& text) override {
    refuse_anchor(mark, anchor);
    if (tag != "?" && tag != "!") {
      fail(at(mark), "tags are not supported, found " + tag);
    }
    const bool quoted = tag == "!";
    const bool null = !quoted && (text.empty() || text == "~" || text == "null");
    add({.kind = null ? Value::Kind::null : Value::Kind::scalar,
         .text = null ? "" : text,
         .quoted = quoted,
         .mark = at(mark)});
  }
  void OnSequenceStart(const YAML::Mark& mark,
                       const std::string&,
                       YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, anchor, Value::Kind::sequence);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark,
                  const std::string&,
                  YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, anchor, Value::Kind::mapping);
  }
  void OnMapEnd() override { close(); }

  Value root;

 private:
  struct Open {
    Value value;
    std::string key;
    Mark key_mark;
    bool has_key = false;
  };

  [[nodiscard]] Mark at(const YAML::Mark& mark) const {
    return {source_, mark.line + 1, mark.column + 1};
  }

  void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) const {
    if (anchor != YAML::NullAnchor) {
      fail(at(mark), "anchors are not supported; use 'base:' to share settings");
    }
  }

  void open(const YAML::Mark& mark, YAML::anchor_t anchor, Value::Kind kind) {
    refuse_anchor(mark, anchor);
    if (stack_.size() >= kMaxDepth) {
      fail(at(mark), "nested deeper than " + std::to_string(kMaxDepth) + " levels");
    }
    stack_.push_back({.value = {.kind = kind, .mark = at(mark)}});
  }

  void close() {
    Value value = std::move(stack_.back().value);
    stack_.pop_back();
    add(std::move(value));
  }

  void add(Value value) {
    if (stack_.empty()) {
      root = std::move(value);
      return;
    }
    Open& parent = stack_.back();
    if (parent.value.kind == Value::Kind::sequence) {
      parent.value.items.push_back(std::move(value));
    } else if (!parent.has_key) {
      take_key(parent, value);
    } else {
      value.mark = parent.key_mark;
      parent.value.entries.emplace_back(std::move(parent.key), std::move(value));
      parent.has_key = false;
    }
  }

  static void take_key(Open& parent, const Value& key) {
    if (key.kind != Value::Kind::scalar) {
      fail(key.mark, "a key must be a plain word");
    }
    if (const Value* first = parent.value.find(key.text)) {
      fail(key.mark,
           key.text + ": duplicate key, first at line " + std::to_string(first->mark.line));
    }
    parent.key = key.text;
    parent.key_mark = key.mark;
    parent.has_key = true;
  }

  std::shared_ptr<const std::string> source_;
  std::vector<Open> stack_;
  int documents_ = 0;
};

// Well-formed sequences of one to four bytes (RFC 3629): no overlong forms, no surrogates.
bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const auto lead = static_cast<unsigned char>(text.front());
    const size_t size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if ((lead >= 0x80 && lead < 0xc2) || lead > 0xf4 || size > text.size()) {
      return false;
    }
    for (size_t i = 1; i < size; ++i) {
      const auto next = static_cast<unsigned char>(text[i]);
      const unsigned char low = i > 1 ? 0x80 : lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
      const unsigned char high = i > 1 ? 0xbf : lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
      if (next < low || next > high) {
        return false;
      }
    }
    text.remove_prefix(size);
  }
  return true;
}

Value parse_document(const std::string& text, const std::string& source) {
  auto name = std::make_shared<const std::string>(source);
  if (text.find('\0') != std::string::npos || !is_utf8(text)) {
    fail({name, 0, 0}, "not a text file");
  }
  Builder builder(name);
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& problem) {
    fail({name, problem.mark.line + 1, problem.mark.column + 1}, problem.msg);
  }
  if (builder.root.kind == Value::Kind::null) {
    builder.root.kind = Value::Kind::mapping;
    builder.root.mark = {name, 1, 1};
  }
  return std::move(builder.root);
}

// Entries of `top` over those of `bottom`, mappings key by key.
Value merge(Value bottom, Value top) {
  if (bottom.kind != Value::Kind::mapping || top.kind != Value::Kind::mapping) {
    return top;
  }
  bottom.mark = top.mark;
  for (auto& [key, value] : top.entries) {
    const auto same = std::find_if(bottom.entries.begin(), bottom.entries.end(),
                                   [&](const auto& entry) { return entry.first == key; });
    if (same == bottom.entries.end()) {
      bottom.entries.emplace_back(key, std::move(value));
    } else {
      same->second = merge(std::move(same->second), std::move(value));
    }
  }
  return bottom;
}

Value load_with_bases(const std::filesystem::path& path,
                      std::vector<std::filesystem::path>& chain) {
  std::string text;
  try {
    text = read_file(path, kMaxFileBytes);
  } catch (const Error& problem) {
    throw Error(ErrorKind::config, problem.what());
  }
  Value value = parse_document(text, path.string());
  if (value.kind != Value::Kind::mapping) {
    fail(value.mark, "expected 'key: value' lines");
  }
  const auto base = std::find_if(value.entries.begin(), value.entries.end(),
                                 [](const auto& entry) { return entry.first == "base"; });
  if (base == value.entries.end()) {
    return value;
  }
  const Value stated = base->second;
  value.entries.erase(base);
  if (stated.kind != Value::Kind::scalar) {
    fail(stated.mark, "base: expected a path relative to this file");
  }
  const std::filesystem::path next = path.parent_path() / stated.text;
  if (!std::filesystem::is_regular_file(next)) {
    fail(stated.mark, "base: no such file: " + next.string());
  }
  chain.push_back(std::filesystem::canonical(path));
  if (std::find(chain.begin(), chain.end(), std::filesystem::canonical(next)) != chain.end()) {
    fail(stated.mark, "base: a cycle of files, back at " + next.string());
  }
  return merge(load_with_bases(next, chain), std::move(value));
}

}  // namespace

Value load(const std::filesystem::path& path) {
  std::vector<std::filesystem::path> chain;
  return load_with_bases(path, chain);
}

Value parse(std::string_view text, const std::string& source) {
  return parse_document(std::string(text), source);
}

void apply_override(Value& root, std::string_view assignment) {
  const std::string source = "command line";
  const size_t equals = assignment.find('=');
  const std::string key(assignment.substr(0, equals));
  if (equals == std::string_view::npos || key.empty() || key.front() == '.' || key.back() == '.' ||
      key.find("..") != std::string::npos || !is_utf8(key)) {
    throw Error(ErrorKind::config,
                source + ": '" + std::string(assignment) + "': expected key=value");
  }
  Value value = parse_document(std::string(assignment.substr(equals + 1)), source);
  if (assignment.substr(equals + 1).find_first_not_of(' ') == std::string_view::npos) {
    value = {};
  }
  // Wraps the value in one mapping per part of the key, from the inside out.
  const Mark mark{std::make_shared<const std::string>(source), 0, 0};
  value.mark = mark;
  size_t end = key.size();
  while (true) {
    const size_t dot = key.rfind('.', end - 1);
    const size_t begin = dot == std::string::npos ? 0 : dot + 1;
    Value wrapped{.kind = Value::Kind::mapping, .mark = mark};
    wrapped.entries.emplace_back(key.substr(begin, end - begin), std::move(value));
    value = std::move(wrapped);
    if (begin == 0) {
      break;
    }
    end = dot;
  }
  root = merge(std::move(root), std::move(value));
}

}  // namespace nala::config
