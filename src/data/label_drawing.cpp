#include "data/label_drawing.h"

#include <algorithm>
#include <functional>
#include <opencv2/imgproc.hpp>

#include "data/label_map.h"
#include "data/transforms/opencv_view.h"

namespace nala::data {
namespace {

constexpr int kFont = cv::FONT_HERSHEY_SIMPLEX;
constexpr double kFontScale = 0.4;
constexpr int kLine = 18;    // from one line of text to the next
constexpr int kSquare = 12;  // side of a colour's sample
constexpr int kGap = 6;
constexpr size_t kMostNames = 40;
const cv::Scalar kInk(32, 32, 32);

int text_width(const std::string& text) {
  int baseline = 0;
  return cv::getTextSize(text, kFont, kFontScale, 1, &baseline).width;
}

void write_text(cv::Mat& view, const std::string& text, int x, int y) {
  cv::putText(view, text, cv::Point(x, y), kFont, kFontScale, kInk, 1, cv::LINE_AA);
}

Image white(int64_t width, int64_t height) {
  Image image(width, height);
  std::fill(image.pixels.begin(), image.pixels.end(), uint8_t{255});
  return image;
}

cv::Scalar shade(double value) {
  const double left = 1 - std::clamp(value, 0.0, 1.0);
  return {20 + 235 * left, 80 + 175 * left, 160 + 95 * left};
}

}  // namespace

std::vector<ClassPixels> classes_in(const Image& labels, size_t classes) {
  std::vector<int64_t> counts(256);
  for (const uint8_t label : labels.pixels) {
    ++counts[label];
  }
  std::vector<ClassPixels> present;
  for (size_t index = 0; index < std::min<size_t>(classes, kIgnoredLabel); ++index) {
    if (counts[index] > 0) {
      present.push_back({index, counts[index]});
    }
  }
  std::ranges::stable_sort(present, std::ranges::greater{}, &ClassPixels::pixels);
  return present;
}

Image colour_labels(const Image& labels, const std::vector<Rgb>& colours) {
  Image out(labels.width, labels.height);
  uint8_t* pixel = out.pixels.data();
  for (const uint8_t label : labels.pixels) {
    const Rgb colour = label < colours.size() ? colours[label] : Rgb{};
    pixel = std::copy(colour.begin(), colour.end(), pixel);
  }
  return out;
}

Image blend(const Image& below, const Image& above, double share) {
  Image out = below;
  cv::Mat result = view_of(out);
  cv::addWeighted(view_of(below), 1 - share, view_of(above), share, 0, result);
  return out;
}

Image with_legend(const Image& image,
                  const Image& labels,
                  const std::vector<std::string>& names,
                  const std::vector<Rgb>& colours) {
  std::vector<ClassPixels> shown = classes_in(labels, names.size());
  shown.resize(std::min<size_t>(shown.size(),
                                static_cast<size_t>(std::max<int64_t>(1, image.height / kLine))));
  int strip = 0;
  for (const ClassPixels& present : shown) {
    strip = std::max(strip, text_width(names[present.index]) + kSquare + 3 * kGap);
  }
  Image out = white(image.width + strip, image.height);
  for (int64_t y = 0; y < image.height; ++y) {
    std::copy_n(image.row(y), 3 * image.width, out.row(y));
  }
  cv::Mat view = view_of(out);
  const int left = static_cast<int>(image.width) + kGap;
  for (size_t i = 0; i < shown.size(); ++i) {
    const Rgb& colour = colours.at(shown[i].index);
    const int top = static_cast<int>(i) * kLine + (kLine - kSquare) / 2;
    cv::rectangle(view, cv::Rect(left, top, kSquare, kSquare),
                  cv::Scalar(colour[0], colour[1], colour[2]), cv::FILLED);
    write_text(view, names[shown[i].index], left + kSquare + kGap, top + kSquare - 1);
  }
  return out;
}

Image heat_map(const std::vector<std::vector<double>>& cells,
               const std::vector<std::string>& names) {
  const bool named = names.size() <= kMostNames;
  const int side = named ? kLine : 4;
  int margin = 0;
  for (const std::string& name : names) {
    margin = named ? std::max(margin, text_width(name) + 2 * kGap) : 0;
  }
  const int length = margin + side * static_cast<int>(cells.size());
  Image out = white(length, length);
  cv::Mat view = view_of(out);
  for (size_t row = 0; row < cells.size(); ++row) {
    for (size_t column = 0; column < cells[row].size(); ++column) {
      cv::rectangle(view,
                    cv::Rect(margin + side * static_cast<int>(column),
                             margin + side * static_cast<int>(row), side, side),
                    shade(cells[row][column]), cv::FILLED);
    }
  }
  if (named && margin > 0) {
    cv::Mat turned(length, margin, CV_8UC3, cv::Scalar(255, 255, 255));
    for (size_t i = 0; i < names.size(); ++i) {
      const int base = margin + side * static_cast<int>(i) + kSquare;
      write_text(view, names[i], kGap, base);
      write_text(turned, names[i], kGap, base);
    }
    cv::Mat above;  // transposing and flipping turns the names to read upwards, in their order
    cv::transpose(turned, above);
    cv::flip(above, above, 0);
    above.colRange(margin, length).copyTo(view(cv::Rect(margin, 0, length - margin, margin)));
  }
  return out;
}

}  // namespace nala::data
