#include <torch/torch.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "analyze/attention.h"
#include "analyze/page_parts.h"
#include "core/error.h"
#include "core/files.h"
#include "core/number_text.h"
#include "data/image_io.h"
#include "report/html.h"
#include "report/page.h"
#include "report/table.h"

namespace nala::tools {
namespace {

using nlohmann::ordered_json;

constexpr std::string_view kMapStyle = R"css(<style>
.maps{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:10px}
.maps figcaption{font-size:.78rem;color:var(--soft);padding-top:3px}
.stack{position:relative;overflow:hidden;border-radius:6px;isolation:isolate;background-size:100% 100%}
.stack img{position:absolute;inset:0;width:100%;height:100%;image-rendering:pixelated;mix-blend-mode:screen}
.stack i{position:absolute;width:9px;height:9px;margin:-5px;border:2px solid #fff;border-radius:50%;outline:1px solid #000}
h3{font-size:.92rem;margin:18px 0 8px}
</style>
)css";

// Black, red, yellow, white for what is above 0; black, blue, cyan, white for what is below.
std::array<uint8_t, 3> heat(double share) {
  const double size = std::min(1.0, std::abs(share));
  const auto level = [size](double from) {
    return static_cast<uint8_t>(std::clamp((size - from) * 3, 0.0, 1.0) * 255);
  };
  const std::array<uint8_t, 3> warm{level(0), level(1.0 / 3), level(2.0 / 3)};
  return share >= 0 ? warm : std::array<uint8_t, 3>{warm[2], warm[1], warm[0]};
}

// PNG of a map (H, W), its largest size at the brightest.
std::string heat_png(const at::Tensor& map) {
  const at::Tensor values = map.contiguous();
  const double largest = std::max(values.abs().max().item<double>(), 1e-30);
  data::Image image(values.size(1), values.size(0));
  for (int64_t i = 0; i < values.numel(); ++i) {
    const auto colour = heat(values.const_data_ptr<float>()[i] / largest);
    std::copy(colour.begin(), colour.end(), image.pixels.begin() + 3 * i);
  }
  return data::encode_png(image);
}

// Grey and half as bright, so that a map stands out on it.
data::Image dimmed(const data::Image& image) {
  data::Image out(image.width, image.height);
  for (size_t i = 0; i + 2 < out.pixels.size(); i += 3) {
    const int sum = image.pixels[i] + image.pixels[i + 1] + image.pixels[i + 2];
    std::fill_n(out.pixels.begin() + static_cast<int64_t>(i), 3, static_cast<uint8_t>(sum / 6));
  }
  return out;
}

// The style of the stacks of one picture, which so stands in the page once.
std::string picture_style(const std::string& name, const data::Image& shown) {
  return "<style>." + name + "{aspect-ratio:" + std::to_string(shown.width) + "/" +
         std::to_string(shown.height) + ";background-image:url(data:image/jpeg;base64," +
         report::base64(data::encode_jpeg(dimmed(shown), 80)) + ")}</style>\n";
}

// A map over the dimmed picture of a style.
std::string stack(const std::string& style,
                  const at::Tensor& map,
                  const std::optional<PicturePoint>& point,
                  const std::string& caption) {
  std::string html = "<figure><div class=\"stack " + style +
                     "\"><img alt=\"\" src=\"data:image/png;base64," +
                     report::base64(heat_png(map)) + "\"/>";
  if (point) {
    html += "<i style=\"left:" + fixed(100 * point->x, 1) + "%;top:" + fixed(100 * point->y, 1) +
            "%\"></i>";
  }
  return html + "</div><figcaption>" + report::escape_html(caption) + "</figcaption></figure>\n";
}

std::string point_text(const PicturePoint& point) {
  return fixed(point.x, 2) + ", " + fixed(point.y, 2);
}

std::string map_caption(const AttentionMap& map) {
  return "head " + std::to_string(map.head) + (map.rotated ? ", with RoPE" : ", without RoPE") +
         ", at most " + short_number(100 * map.weights.max().item<double>()) + " %, entropy " +
         fixed(map.entropy, 2);
}

std::string picture_section(const PictureStudy& study, const std::string& style) {
  std::string html =
      picture_style(style, study.picture.shown) + page_heading(study.picture.path) +
      "<div class=\"maps\">\n" +
      stack(style, study.field.gradient.sqrt(), std::nullopt,
            "effective receptive field of the last map's centre (square root): half of the "
            "gradient in " +
                fixed(100 * study.field.half_area, 1) + " % of the pixels, 95 % in " +
                fixed(100 * study.field.most_area, 1) + " %") +
      "</div>\n";
  std::string group;
  for (const AttentionMap& map : study.maps) {
    const std::string title = "token at " + point_text(map.point) + " · " + map.layer + " · " +
                              map.kernel + " · " + std::to_string(map.weights.size(0)) + " × " +
                              std::to_string(map.weights.size(1));
    if (title != group) {
      html += (group.empty() ? "<h3>" : "</div>\n<h3>") + report::escape_html(title) +
              "</h3>\n<div class=\"maps\">\n";
      group = title;
    }
    html += stack(style, map.weights, map.point, map_caption(map));
  }
  return html + "</div>\n";
}

std::string attention_page(const std::vector<PictureStudy>& studies) {
  std::string html =
      std::string(kMapStyle) +
      page_paragraph(
          "Where the marked token looks: the weights of its row of the attention matrix, the "
          "largest of each map at the brightest; blue is negative, which the rotary embedding can "
          "make linear attention.");
  for (size_t i = 0; i < studies.size(); ++i) {
    html += picture_section(studies[i], "p" + std::to_string(i));
  }
  return report::render_body("Attention maps", html);
}

std::string attention_csv(const std::vector<PictureStudy>& studies) {
  report::Table table{.columns = {{.name = "picture"},
                                  {.name = "x"},
                                  {.name = "y"},
                                  {.name = "layer"},
                                  {.name = "kernel"},
                                  {.name = "head"},
                                  {.name = "rotated"},
                                  {.name = "largest"},
                                  {.name = "smallest"},
                                  {.name = "entropy"},
                                  {.name = "distance"}}};
  for (const PictureStudy& study : studies) {
    for (const AttentionMap& map : study.maps) {
      table.rows.push_back(
          {.cells = {study.picture.path, fixed(map.point.x, 4), fixed(map.point.y, 4), map.layer,
                     map.kernel, std::to_string(map.head), map.rotated ? "1" : "0",
                     fixed(map.weights.max().item<double>(), 8),
                     fixed(map.weights.min().item<double>(), 8), fixed(map.entropy, 5),
                     fixed(map.distance, 5)}});
    }
  }
  return report::to_csv(table);
}

ordered_json map_json(const AttentionMap& map) {
  const int64_t strongest = map.weights.argmax().item<int64_t>();
  return {{"x", map.point.x},
          {"y", map.point.y},
          {"layer", map.layer},
          {"kernel", map.kernel},
          {"head", map.head},
          {"token", map.token},
          {"rotated", map.rotated},
          {"height", map.weights.size(0)},
          {"width", map.weights.size(1)},
          {"strongest",
           {{"row", strongest / map.weights.size(1)},
            {"column", strongest % map.weights.size(1)},
            {"weight", map.weights.max().item<double>()}}},
          {"smallest", map.weights.min().item<double>()},
          {"sum", map.weights.sum(at::kDouble).item<double>()},
          {"entropy", map.entropy},
          {"distance", map.distance}};
}

}  // namespace

ordered_json attention_json(const std::vector<PictureStudy>& studies) {
  ordered_json pictures = ordered_json::array();
  for (const PictureStudy& study : studies) {
    ordered_json maps = ordered_json::array();
    for (const AttentionMap& map : study.maps) {
      maps.push_back(map_json(map));
    }
    pictures.push_back({{"path", study.picture.path},
                        {"receptive_field",
                         {{"half_area", study.field.half_area},
                          {"most_area", study.field.most_area},
                          {"map_height", study.field.map_height},
                          {"map_width", study.field.map_width}}},
                        {"maps", std::move(maps)}});
  }
  return {{"pictures", std::move(pictures)}};
}

void print_attention(const std::vector<PictureStudy>& studies) {
  for (const PictureStudy& study : studies) {
    std::printf(
        "%s: %zu maps of %zu layers; half of the gradient of the last map's centre lies "
        "in %s %% of the pixels, 95 %% in %s %%\n",
        study.picture.path.c_str(), study.maps.size(), study.layers.size(),
        fixed(100 * study.field.half_area, 1).c_str(),
        fixed(100 * study.field.most_area, 1).c_str());
  }
}

void write_attention(const std::vector<PictureStudy>& studies,
                     double megabytes,
                     const std::filesystem::path& folder) {
  write_file(folder / "attention.html", attention_page(studies));
  write_file(folder / "attention.csv", attention_csv(studies));
  write_file(folder / "attention.json", attention_json(studies).dump(1) + "\n");
  for (size_t i = 0; i < studies.size(); ++i) {
    const std::string page = explorer_page(studies[i]);
    const double size = static_cast<double>(page.size()) / 1e6;
    if (size > megabytes) {
      throw Error(ErrorKind::usage, "analyze attention: the explorer of " +
                                        studies[i].picture.path + " has " + fixed(size, 1) +
                                        " MB, expected at most " + fixed(megabytes, 1) +
                                        "; lower --size or raise --megabytes");
    }
    const std::string number = i == 0 ? "" : "_" + std::to_string(i + 1);
    write_file(folder / ("explorer" + number + ".html"), page);
  }
}

}  // namespace nala::tools
