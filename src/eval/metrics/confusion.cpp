#include "eval/metrics/confusion.h"

#include <torch/torch.h>

#include <cmath>
#include <limits>

namespace nala::eval {
namespace {

double percent(double part, double whole) {
  return whole > 0 ? 100 * part / whole : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

Confusion::Confusion(int64_t classes) : matrix_(torch::zeros({classes, classes}, at::kLong)) {}

Confusion Confusion::from_sums(const at::Tensor& sums, int64_t classes) {
  TORCH_CHECK(sums.dim() == 1 && sums.size(0) == classes * classes + 1, "confusion: sums ",
              sums.sizes(), " of ", classes, " classes");
  Confusion confusion(classes);
  confusion.matrix_ =
      sums.narrow(0, 0, classes * classes).round().to(at::kLong).view({classes, classes});
  confusion.images_ = std::llround(sums[-1].item<double>());
  return confusion;
}

void Confusion::add(const at::Tensor& prediction, const at::Tensor& labels) {
  TORCH_CHECK(prediction.sizes() == labels.sizes(), "confusion: prediction ", prediction.sizes(),
              ", labels ", labels.sizes());
  const at::Tensor truth = labels.flatten().to(at::kLong);  // (n)
  const at::Tensor counts = truth.lt(classes()).logical_and(truth.ne(255)).logical_and(truth.ge(0));
  const at::Tensor cells = truth.masked_select(counts) * classes() +
                           prediction.flatten().to(at::kLong).masked_select(counts);
  matrix_ += at::bincount(cells, {}, classes() * classes()).view_as(matrix_);
}

at::Tensor Confusion::sums() const {
  const at::Tensor images = at::full({1}, static_cast<double>(images_), at::kDouble);
  return at::cat({matrix_.flatten().to(at::kDouble), images});
}

int64_t Confusion::pixels() const {
  return matrix_.sum().item<int64_t>();
}

std::vector<ClassScores> Confusion::per_class() const {
  const at::Tensor both = matrix_.diagonal().to(at::kDouble);   // (K)
  const at::Tensor labelled = matrix_.sum(1).to(at::kDouble);   // (K)
  const at::Tensor predicted = matrix_.sum(0).to(at::kDouble);  // (K)
  std::vector<ClassScores> scores;
  for (int64_t k = 0; k < classes(); ++k) {
    const double hit = both[k].item<double>();
    const double truth = labelled[k].item<double>();
    const double said = predicted[k].item<double>();
    scores.push_back({.iou = percent(hit, truth + said - hit),
                      .acc = percent(hit, truth),
                      .dice = percent(2 * hit, truth + said)});
  }
  return scores;
}

double Confusion::mean_of(double ClassScores::*score) const {
  double sum = 0;
  int64_t count = 0;
  for (const ClassScores& scores : per_class()) {
    if (!std::isnan(scores.*score)) {
      sum += scores.*score;
      ++count;
    }
  }
  return count > 0 ? sum / static_cast<double>(count) : std::numeric_limits<double>::quiet_NaN();
}

double Confusion::miou() const {
  return mean_of(&ClassScores::iou);
}

double Confusion::macc() const {
  return mean_of(&ClassScores::acc);
}

double Confusion::mdice() const {
  return mean_of(&ClassScores::dice);
}

double Confusion::aacc() const {
  return percent(static_cast<double>(matrix_.diagonal().sum().item<int64_t>()),
                 static_cast<double>(pixels()));
}

}  // namespace nala::eval
