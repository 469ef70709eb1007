// An ablation grid: a recipe and the cells that change it (configs/ablations).
#pragma once

#include <string>
#include <vector>

#include "core/config.h"

namespace nala::tools {

/// One cell: the recipe with some keys set.
struct Cell {
  std::string name;
  std::string group;
  std::vector<std::string> set;

  template <class V>
  static void fields(Cell& c, V&& v) {
    v("name", c.name, "also the folder of the cell's runs: letters, digits, _, - and .");
    v("group", c.group, "what the cell is compared within");
    v("set", c.set, "key=value words; []: the recipe as it is");
  }
};

struct Grid {
  config::Path recipe;
  std::vector<Cell> cells;
  std::vector<std::string> only;

  template <class V>
  static void fields(Grid& c, V&& v) {
    v("recipe", c.recipe, "the configuration that every cell starts from");
    v("cells", c.cells, "what is run");
    v("only", c.only, "the names of the cells to run; []: all");
  }
  static void check(const Grid& c, const config::Where& fail);
};

/// The grid of a file, reduced to the cells of `only`. Throws Error(config) with the place.
Grid read_grid(const std::string& path);

}  // namespace nala::tools
