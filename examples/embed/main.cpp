// Classifies pictures: embed CHECKPOINT PICTURE...
#include <nalaformer/predictor.h>

#include <cstdio>

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: embed CHECKPOINT PICTURE...\n");
    return 2;
  }
  try {
    const nalaformer::Predictor predictor(argv[1]);
    for (int i = 2; i < argc; ++i) {
      const nalaformer::Picture picture = nalaformer::read_picture(argv[i]);
      const nalaformer::ClassScore best = predictor.classify(picture, 1).front();
      std::printf("%s: %s %.3f\n", argv[i], best.label.c_str(), best.probability);
    }
  } catch (const nalaformer::Error& error) {
    std::fprintf(stderr, "embed: %s\n", error.what());
    return 1;
  }
}
