#include "reproduce/grid.h"

#include <algorithm>
#include <set>

namespace nala::tools {
namespace {

// Whether a name can be a folder's and stays below the output folder.
bool is_folder_name(const std::string& name) {
  return !name.empty() && name.front() != '.' &&
         name.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") ==
             std::string::npos;
}

}  // namespace

void Grid::check(const Grid& c, const config::Where& fail) {
  if (c.recipe.value.empty()) {
    fail("recipe", "missing, expected the path of a configuration");
  }
  std::set<std::string> names;
  for (const Cell& cell : c.cells) {
    if (!is_folder_name(cell.name)) {
      fail("cells", "name '" + cell.name + "', expected letters, digits, _, - and .");
    }
    if (!names.insert(cell.name).second) {
      fail("cells", "two cells are called " + cell.name);
    }
  }
  for (const std::string& name : c.only) {
    if (!names.contains(name)) {
      fail("only", "no cell is called " + name);
    }
  }
  if (c.cells.empty()) {
    fail("cells", "missing, expected a list of cells");
  }
}

Grid read_grid(const std::string& path) {
  Grid grid = config::read<Grid>(config::load(path));
  if (!grid.only.empty()) {
    std::erase_if(grid.cells, [&](const Cell& cell) {
      return std::find(grid.only.begin(), grid.only.end(), cell.name) == grid.only.end();
    });
  }
  return grid;
}

}  // namespace nala::tools
