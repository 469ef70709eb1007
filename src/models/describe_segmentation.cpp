#include "models/describe_parts.h"

namespace nala::models {
namespace {

using Sizes = std::array<MapSize, kStages>;

// A convolution of a head, with what stands behind it (models/heads/segmentation_parts.h).
void head_conv(DescriptionWriter& writer,
               const std::string& name,
               ConvShape shape,
               bool normed = true) {
  shape.bias = !normed;
  writer.conv(name + ".conv", shape);
  if (normed) {
    writer.batch_norm(name + ".bn", shape.out);
    writer.elementwise(name + ".activate", "relu", shape.out);
  }
}

void describe_neck(const ResolvedModel& model, const Sizes& sizes, DescriptionWriter& writer) {
  const int64_t channels = model.segmentation.neck_channels;
  for (int i = kStages - 1; i >= 0; --i) {
    const std::string number = std::to_string(i);
    if (i + 1 < kStages) {
      writer.resize("neck.lateral_convs." + number, channels, sizes[i], false);
    }
    writer.size = sizes[i];
    head_conv(writer, "neck.lateral_convs." + number,
              {.in = model.embed_dims[i], .out = channels, .kernel = 1}, false);
    head_conv(writer, "neck.fpn_convs." + number, {.in = channels, .out = channels}, false);
  }
}

void describe_fpn_head(const ResolvedModel& model, const Sizes& sizes, DescriptionWriter& writer) {
  const int64_t channels = model.segmentation.head_channels();
  for (int i = 0; i < kStages; ++i) {
    const std::string name = "decode_head.scale_heads." + std::to_string(i);
    writer.size = sizes[i];
    for (int j = 0; j < std::max(1, i); ++j) {
      head_conv(writer, name + "." + std::to_string(i == 0 ? 0 : 2 * j),
                {.in = j == 0 ? model.segmentation.neck_channels : channels, .out = channels});
      if (i > 0) {
        writer.resize(name + "." + std::to_string(2 * j + 1), channels,
                      {2 * writer.size.height, 2 * writer.size.width}, true);
      }
    }
    if (writer.size.height != sizes[0].height || writer.size.width != sizes[0].width) {
      writer.resize(name, channels, sizes[0], true);
    }
  }
}

void describe_pooling(const ResolvedModel& model, MapSize last, DescriptionWriter& writer) {
  const int64_t channels = model.segmentation.head_channels();
  const int64_t in = model.embed_dims.back();
  const auto& scales = model.segmentation.pool_scales;
  for (size_t i = 0; i < scales.size(); ++i) {
    const std::string name = "decode_head.psp_modules." + std::to_string(i);
    writer.size = last;
    writer.average_pool(name + ".0", in, {scales[i], scales[i]});
    head_conv(writer, name + ".1", {.in = in, .out = channels, .kernel = 1});
    writer.resize(name, channels, last, true);
  }
  writer.size = last;
  head_conv(writer, "decode_head.bottleneck",
            {.in = in + std::ssize(scales) * channels, .out = channels});
}

void describe_uper_head(const ResolvedModel& model, const Sizes& sizes, DescriptionWriter& writer) {
  const int64_t channels = model.segmentation.head_channels();
  describe_pooling(model, sizes.back(), writer);
  for (int i = kStages - 2; i >= 0; --i) {
    const std::string number = std::to_string(i);
    writer.resize("decode_head.lateral_convs." + number, channels, sizes[i], true);
    head_conv(writer, "decode_head.lateral_convs." + number,
              {.in = model.embed_dims[i], .out = channels, .kernel = 1});
    head_conv(writer, "decode_head.fpn_convs." + number, {.in = channels, .out = channels});
  }
  for (int i = 1; i < kStages; ++i) {
    writer.resize("decode_head.fpn_convs", channels, sizes[0], true);
  }
  head_conv(writer, "decode_head.fpn_bottleneck", {.in = kStages * channels, .out = channels});
}

void describe_auxiliary(const ResolvedModel& model, MapSize third, DescriptionWriter& writer) {
  const int64_t channels = model.segmentation.auxiliary_channels;
  const int64_t parameters = 9 * model.embed_dims[2] * channels + 2 * channels;
  writer.size = third;
  writer.elementwise("auxiliary_head.convs.0", "training_only", channels, parameters);
  writer.elementwise("auxiliary_head.conv_seg", "training_only", model.num_classes,
                     model.num_classes * (channels + 1));
}

}  // namespace

void describe_segmentation(const ResolvedModel& model, DescriptionWriter& writer) {
  writer.prefix = "backbone.";
  const Sizes sizes = describe_backbone(model, writer);
  for (int i = 0; model.segmentation.normed_outputs() && i < kStages; ++i) {
    writer.size = sizes[i];
    writer.layer_norm("norm" + std::to_string(i), model.embed_dims[i]);
  }
  writer.prefix.clear();
  if (model.segmentation.is_upernet()) {
    describe_uper_head(model, sizes, writer);
  } else {
    describe_neck(model, sizes, writer);
    describe_fpn_head(model, sizes, writer);
  }
  writer.size = sizes[0];
  writer.conv("decode_head.conv_seg",
              {.in = model.segmentation.head_channels(), .out = model.num_classes, .kernel = 1});
  if (model.segmentation.has_auxiliary()) {
    describe_auxiliary(model, sizes[2], writer);
  }
}

}  // namespace nala::models
