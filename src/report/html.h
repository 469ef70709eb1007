// Text, numbers and bytes as they may stand in an HTML page, whoever wrote them.
#pragma once

#include <string>
#include <string_view>

namespace nala::report {

/// `text` for element content or a quoted attribute: & < > " ' become references, control
/// characters (but tab and line feed) U+FFFD. Bytes above 127 pass unchanged.
std::string escape_html(std::string_view text);

/// RFC 4648, section 4, with padding.
std::string base64(std::string_view bytes);

/// A number for people: at most `digits` significant ones, whole numbers from 10 000 on in groups
/// of three (narrow no-break space), "–" for what is not finite. 1 <= digits <= 15.
std::string format_number(double value, int digits = 4);

/// A number with so many digits after the point, "–" for what is not finite. 0 <= decimals <= 9.
std::string format_fixed(double value, int decimals);

}  // namespace nala::report
