#include "report/explorer.h"

#include <nlohmann/json.hpp>
#include <string_view>

#include "report/explorer_assets.h"
#include "report/html.h"
#include "report/page.h"

namespace nala::report {
namespace {

using nlohmann::ordered_json;

ordered_json head_json(const ExplorerHead& head) {
  return {{"q", base64(head.query)},
          {"k", base64(head.key)},
          {"phiQ", base64(head.query_feature)},
          {"phiK", base64(head.key_feature)},
          {"queryScale", head.query_scale},
          {"keyScale", head.key_scale}};
}

ordered_json layer_json(const ExplorerLayer& layer) {
  ordered_json heads = ordered_json::array();
  for (const ExplorerHead& head : layer.heads) {
    heads.push_back(head_json(head));
  }
  return {{"name", layer.name},
          {"softmax", layer.softmax},
          {"linear", layer.linear_name},
          {"height", layer.height},
          {"width", layer.width},
          {"channels", layer.channels},
          {"halves", layer.halves},
          {"bySign", layer.by_sign},
          {"eps", layer.eps},
          {"rowCos", base64(layer.row_cos)},
          {"rowSin", base64(layer.row_sin)},
          {"columnCos", base64(layer.column_cos)},
          {"columnSin", base64(layer.column_sin)},
          {"heads", std::move(heads)}};
}

// JSON in which no text can end the element that it stands in.
std::string safe_json(const ordered_json& object) {
  const std::string text = object.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    out += c == '<' ? std::string_view("\\u003c") : std::string_view(&c, 1);
  }
  return out;
}

constexpr std::string_view kBody = R"html(
<div class="controls"><label>layer <select id="layer"></select></label>
<label>head <select id="head"></select></label>
<label><input type="checkbox" id="rotated"/> with the rotary embedding</label></div>
<div class="panels">
<figure><canvas id="picture"></canvas><figcaption><b>move the pointer over the picture</b><output id="picture-text"></output></figcaption></figure>
<figure><canvas id="own"></canvas><figcaption><b id="own-name"></b><output id="own-text"></output></figcaption></figure>
<figure><canvas id="other"></canvas><figcaption><b id="other-name"></b><output id="other-text"></output></figcaption></figure>
</div>
<p>Brightness: the weight that the marked token gives to every other, over the largest of the map; blue is negative, which
the rotary embedding can make linear attention.</p>
)html";

}  // namespace

std::string render_explorer(const Explorer& explorer) {
  ordered_json layers = ordered_json::array();
  for (const ExplorerLayer& layer : explorer.layers) {
    layers.push_back(layer_json(layer));
  }
  const ordered_json data{{"picture", base64(explorer.picture)},
                          {"width", explorer.picture_width},
                          {"height", explorer.picture_height},
                          {"layers", std::move(layers)}};
  return render_body(explorer.title,
                     "<style>" + std::string(kExplorerStyle) + "</style>" + std::string(kBody) +
                         "<script type=\"application/json\" id=\"data\">" + safe_json(data) +
                         "</script>\n<script>" + std::string(kExplorerScript) + "</script>\n");
}

}  // namespace nala::report
