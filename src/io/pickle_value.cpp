#include "io/pickle_value.h"

#include "io/shown.h"

namespace nala::io {

const PickleValue* PickleValue::find(std::string_view key) const {
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
    if (entry->first->kind == Kind::text && entry->first->text == key) {
      return entry->second;
    }
  }
  return nullptr;
}

std::string PickleValue::description() const {
  switch (kind) {
    case Kind::none:
      return "None";
    case Kind::boolean:
      return "a truth value";
    case Kind::integer:
      return "an integer";
    case Kind::real:
      return "a number";
    case Kind::text:
      return "text";
    case Kind::bytes:
      return "bytes";
    case Kind::list:
      return "a list";
    case Kind::tuple:
      return "a tuple";
    case Kind::set:
      return "a set";
    case Kind::dict:
      return "a dict";
    case Kind::tensor:
      return "a tensor";
    case Kind::storage:
      return "a storage";
    case Kind::global:
      return "the name " + in_quotes(text);
    case Kind::object:
      return "an object of " + in_quotes(text);
  }
  return "unknown";
}

}  // namespace nala::io
