// Winograd's transforms, compiled once per instruction set beside table.cpp, which points at kWinogradTable.
#include "kernels/winograd-inl.h"

namespace pyconv {
namespace PYCONV_TARGET_NS {

extern const WinogradTable kWinogradTable;
const WinogradTable kWinogradTable = {MakeWinograd<float>(), MakeWinograd<double>()};

}  // namespace PYCONV_TARGET_NS
}  // namespace pyconv
