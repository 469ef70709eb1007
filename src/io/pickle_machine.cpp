#include "io/pickle_machine.h"

#include <bit>
#include <cstring>
#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "io/pickle_calls.h"
#include "io/pickle_opcodes.h"
#include "io/shown.h"

namespace nala::io {
namespace {

using Kind = PickleValue::Kind;
using Op = PickleOp;

constexpr size_t kMaxValues = size_t{1} << 20;  // also of the stack
constexpr size_t kMaxMarks = 1000;
// What all values together hold: a value recalled many times must not be copied without end.
constexpr size_t kMaxHeld = size_t{256} << 20;

class Machine {
 public:
  Machine(std::string_view bytes, const std::string& file) : bytes_(bytes), file_(file) {}

  Pickle run() {
    while (true) {
      const Op op{read<uint8_t>()};
      if (op == Op::stop) {
        result_.root = pop();
        return std::move(result_);
      }
      if (!run_number(op) && !run_text(op) && !run_stack(op) && !run_memo(op) &&
          !run_container(op) && !run_object(op)) {
        refuse("unknown opcode " + std::to_string(static_cast<int>(op)));
      }
    }
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    throw Error(ErrorKind::checkpoint, file_ + ": its pickle is damaged or of an unknown kind: " +
                                           what + " before byte " + std::to_string(position_));
  }

  std::string_view take(uint64_t size) {
    if (size > bytes_.size() - position_) {
      refuse("it ends too early");
    }
    const std::string_view taken = bytes_.substr(position_, size);
    position_ += size;
    return taken;
  }
  template <class T>
  T read() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }
  std::string line() {
    const size_t end = bytes_.find('\n', position_);
    if (end == std::string_view::npos) {
      refuse("a name does not end");
    }
    std::string text(take(end - position_));
    take(1);
    return text;
  }

  void push(PickleValue* value) {
    if (stack_.size() == kMaxValues) {
      refuse("its stack is too high");
    }
    stack_.push_back(value);
  }
  PickleValue* make(PickleValue value) {
    if (result_.values.size() == kMaxValues) {
      refuse("it holds too many values");
    }
    held_ += value.text.size() + sizeof(void*) * (value.items.size() + 2 * value.entries.size());
    if (held_ > kMaxHeld) {
      refuse("it holds too much");
    }
    result_.values.push_back(std::move(value));
    push(&result_.values.back());
    return stack_.back();
  }
  void make_text(Kind kind, std::string_view text) {
    make({.kind = kind, .text = std::string(text)});
  }
  [[nodiscard]] size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  PickleValue* top() {
    if (stack_.size() <= floor()) {
      refuse("its stack is empty");
    }
    return stack_.back();
  }
  PickleValue* pop() {
    PickleValue* value = top();
    stack_.pop_back();
    return value;
  }
  // The values above the last mark, in order.
  std::vector<const PickleValue*> pop_to_mark() {
    if (marks_.empty()) {
      refuse("a mark is missing");
    }
    std::vector<const PickleValue*> values(stack_.begin() + static_cast<ptrdiff_t>(marks_.back()),
                                           stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return values;
  }

  void make_long(std::string_view digits) {
    if (digits.size() > sizeof(int64_t)) {
      make_text(Kind::object, "an integer beyond 64 bits");
      return;
    }
    const bool negative = !digits.empty() && (static_cast<uint8_t>(digits.back()) & 0x80) != 0;
    int64_t value = negative ? -1 : 0;
    std::memcpy(&value, digits.data(), digits.size());
    make({.kind = Kind::integer, .integer = value});
  }

  bool run_number(Op op) {
    switch (op) {
      case Op::none:
        make({});
        return true;
      case Op::newtrue:
      case Op::newfalse:
        make({.kind = Kind::boolean, .integer = op == Op::newtrue ? 1 : 0});
        return true;
      case Op::binint:
        make({.kind = Kind::integer, .integer = read<int32_t>()});
        return true;
      case Op::binint1:
        make({.kind = Kind::integer, .integer = read<uint8_t>()});
        return true;
      case Op::binint2:
        make({.kind = Kind::integer, .integer = read<uint16_t>()});
        return true;
      case Op::long1:
        make_long(take(read<uint8_t>()));
        return true;
      case Op::long4:
        make_long(take(read<uint32_t>()));
        return true;
      case Op::binfloat:  // the one big-endian number
        make({.kind = Kind::real,
              .real = std::bit_cast<double>(__builtin_bswap64(read<uint64_t>()))});
        return true;
      default:
        return false;
    }
  }

  bool run_text(Op op) {
    switch (op) {
      case Op::short_binunicode:
      case Op::short_binstring:
        make_text(Kind::text, take(read<uint8_t>()));
        return true;
      case Op::binunicode:
      case Op::binstring:
        make_text(Kind::text, take(read<uint32_t>()));
        return true;
      case Op::binunicode8:
        make_text(Kind::text, take(read<uint64_t>()));
        return true;
      case Op::short_binbytes:
        make_text(Kind::bytes, take(read<uint8_t>()));
        return true;
      case Op::binbytes:
        make_text(Kind::bytes, take(read<uint32_t>()));
        return true;
      case Op::binbytes8:
      case Op::bytearray8:
        make_text(Kind::bytes, take(read<uint64_t>()));
        return true;
      default:
        return false;
    }
  }

  bool run_stack(Op op) {
    switch (op) {
      case Op::proto:
        if (const int protocol = read<uint8_t>(); protocol < 2 || protocol > 5) {
          refuse("its protocol is " + std::to_string(protocol) + ", expected 2 to 5");
        }
        return true;
      case Op::frame:
        read<uint64_t>();  // how much to read ahead: of no use here
        return true;
      case Op::mark:
        if (marks_.size() == kMaxMarks) {
          refuse("it is nested too deeply");
        }
        marks_.push_back(stack_.size());
        return true;
      case Op::pop:
        pop();
        return true;
      case Op::pop_mark:
        pop_to_mark();
        return true;
      case Op::dup:
        push(top());
        return true;
      default:
        return false;
    }
  }

  void recall(uint32_t index) {
    const auto found = memo_.find(index);
    if (found == memo_.end()) {
      refuse("it recalls what it never stored");
    }
    push(found->second);
  }

  bool run_memo(Op op) {
    switch (op) {
      case Op::binput:
        memo_[read<uint8_t>()] = top();
        return true;
      case Op::long_binput:
        memo_[read<uint32_t>()] = top();
        return true;
      case Op::memoize:
        memo_[static_cast<uint32_t>(memo_.size())] = top();
        return true;
      case Op::binget:
        recall(read<uint8_t>());
        return true;
      case Op::long_binget:
        recall(read<uint32_t>());
        return true;
      default:
        return false;
    }
  }

  void make_tuple(size_t size) {
    std::vector<const PickleValue*> items(size);
    for (size_t i = size; i-- > 0;) {
      items[i] = pop();
    }
    make({.kind = Kind::tuple, .items = std::move(items)});
  }
  // An opaque object may be a list or dict of some class: what it would hold is of no interest.
  void add_items(const std::vector<const PickleValue*>& items, Kind kind) {
    PickleValue* target = top();
    if (target->kind == kind) {
      target->items.insert(target->items.end(), items.begin(), items.end());
    } else if (target->kind != Kind::object) {
      refuse("it appends to " + target->description());
    }
  }
  void set_items(const std::vector<const PickleValue*>& items) {
    PickleValue* target = top();
    if (items.size() % 2 != 0 || (target->kind != Kind::dict && target->kind != Kind::object)) {
      refuse("it sets items of " + target->description());
    }
    for (size_t i = 0; target->kind == Kind::dict && i < items.size(); i += 2) {
      target->entries.emplace_back(items[i], items[i + 1]);
    }
  }

  bool run_container(Op op) {
    switch (op) {
      case Op::empty_list:
        make({.kind = Kind::list});
        return true;
      case Op::empty_dict:
        make({.kind = Kind::dict});
        return true;
      case Op::empty_set:
        make({.kind = Kind::set});
        return true;
      case Op::empty_tuple:
      case Op::tuple1:
      case Op::tuple2:
      case Op::tuple3:
        make_tuple(op == Op::empty_tuple ? 0 : static_cast<size_t>(op) - 0x84);
        return true;
      case Op::tuple:
        make({.kind = Kind::tuple, .items = pop_to_mark()});
        return true;
      case Op::frozenset:
        make({.kind = Kind::set, .items = pop_to_mark()});
        return true;
      case Op::append:
        add_items({pop()}, Kind::list);
        return true;
      case Op::appends:
        add_items(pop_to_mark(), Kind::list);
        return true;
      case Op::additems:
        add_items(pop_to_mark(), Kind::set);
        return true;
      case Op::setitem: {
        const PickleValue* value = pop();
        const PickleValue* key = pop();
        set_items({key, value});
        return true;
      }
      case Op::setitems:
        set_items(pop_to_mark());
        return true;
      default:
        return false;
    }
  }

  void make_global(const std::string& module, const std::string& name) {
    make_text(Kind::global, module + "." + name);
  }
  void call() {
    const PickleValue* arguments = pop();
    const PickleValue* function = pop();
    if (arguments->kind != Kind::tuple ||
        (function->kind != Kind::global && function->kind != Kind::object)) {
      refuse("it calls " + function->description());
    }
    make(pickle_call(*function, *arguments, file_));
  }
  void build() {
    const PickleValue* state = pop();
    PickleValue* target = top();
    if (target->kind == Kind::object) {
      target->state = state;
    } else if (target->kind != Kind::dict && target->kind != Kind::tensor) {
      refuse("it sets the state of " + target->description());
    }  // else: attributes of an OrderedDict or a tensor, of no interest
  }

  bool run_object(Op op) {
    switch (op) {
      case Op::global: {
        const std::string module = line();
        make_global(module, line());
        return true;
      }
      case Op::stack_global: {
        const PickleValue* name = pop();
        const PickleValue* module = pop();
        if (name->kind != Kind::text || module->kind != Kind::text) {
          refuse("a name is not text");
        }
        make_global(module->text, name->text);
        return true;
      }
      case Op::newobj_ex:
        pop();  // keyword arguments: no known class takes any
        call();
        return true;
      case Op::reduce:
      case Op::newobj:
        call();
        return true;
      case Op::build:
        build();
        return true;
      case Op::binpersid:
        make(pickle_storage(*pop(), file_));
        return true;
      default:
        return false;
    }
  }

  std::string_view bytes_;
  const std::string& file_;
  size_t position_ = 0;
  Pickle result_;
  size_t held_ = 0;  // bytes, roughly
  std::vector<PickleValue*> stack_;
  std::vector<size_t> marks_;  // heights of the stack
  std::unordered_map<uint32_t, PickleValue*> memo_;
};

}  // namespace

Pickle parse_pickle(std::string_view bytes, const std::string& file) {
  if (bytes.size() > kMaxPickle) {
    throw Error(ErrorKind::checkpoint, file + ": its pickle has " + std::to_string(bytes.size()) +
                                           " bytes, allowed are " + std::to_string(kMaxPickle));
  }
  return Machine(bytes, file).run();
}

}  // namespace nala::io
