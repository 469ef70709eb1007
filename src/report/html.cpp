#include "report/html.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>

namespace nala::report {
namespace {

constexpr double kGroupedFrom = 1e4;
constexpr double kGroupedBelow = 1e15;
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
constexpr std::string_view kNarrowSpace = "\xE2\x80\xAF";
constexpr std::string_view kDash = "\xE2\x80\x93";

std::string grouped(double whole) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "%.0f", std::abs(whole));
  const std::string plain = digits;
  std::string text = whole < 0 ? "-" : "";
  for (size_t i = 0; i < plain.size(); ++i) {
    if (i > 0 && (plain.size() - i) % 3 == 0) {
      text += kNarrowSpace;
    }
    text += plain[i];
  }
  return text;
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default: {
        const auto code = static_cast<unsigned char>(c);
        const bool control = (code < 0x20 && c != '\t' && c != '\n') || code == 0x7F;
        out += control ? kReplacement : std::string_view(&c, 1);
      }
    }
  }
  return out;
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j) {
      group = group << 8 | (j < count ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    }
    for (size_t j = 0; j < 4; ++j) {
      out += j <= count ? kAlphabet[group >> (18 - 6 * j) & 63] : '=';
    }
  }
  return out;
}

std::string format_number(double value, int digits) {
  if (!std::isfinite(value)) {
    return std::string(kDash);
  }
  const double size = std::abs(value);
  if (value == std::floor(value) && size >= kGroupedFrom && size < kGroupedBelow) {
    return grouped(value);
  }
  char text[64];
  std::snprintf(text, sizeof text, "%.*g", digits, value == 0 ? 0.0 : value);
  std::string out = text;
  // 1e-06 reads 1e-6.
  if (const size_t sign = out.find_last_of("+-"); sign != std::string::npos && sign > 1) {
    const size_t zeros = out.find_first_not_of('0', sign + 1) - (sign + 1);
    out.erase(sign + 1, zeros);
  }
  return out;
}

std::string format_fixed(double value, int decimals) {
  if (!std::isfinite(value)) {
    return std::string(kDash);
  }
  char text[512];  // the largest double has 309 digits before the point
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

}  // namespace nala::report
