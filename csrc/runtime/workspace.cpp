// Two kinds of block. Up to 512 KB: powers of two from malloc. Above: an arena, always 64 MB of address space
// of which only what borrowers touch becomes resident, so that any idle arena serves any request and 10,000
// different sizes leave no more behind than the largest of them. Beyond 64 MB a mapping of its own, not kept.
#include "runtime/workspace.h"

#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>

#include "core/types.h"
#include "runtime/cpu.h"
#include "runtime/os.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace pyconv {

struct ScratchBlock::Memory {
  void* address;
  std::size_t capacity;
  std::size_t resident;  // high-water mark of what borrowers asked for: these pages stay resident
  int size_class;
  Memory* next_idle;
};

namespace {

using Memory = ScratchBlock::Memory;

constexpr std::size_t kSmallest = 4096, kLargestSmall = std::size_t{512} << 10;
// Scratch stays below kMaxScratchPerThread; the weights that a plain function packs for one call may be
// larger.
constexpr std::size_t kArena = std::size_t{64} << 20;
constexpr int kSmallClasses = 8;  // 4 KB, 8 KB, ... 512 KB
constexpr int kArenaClass = kSmallClasses, kClasses = kSmallClasses + 1, kUnkept = -1;
static_assert(kSmallest << (kSmallClasses - 1) == kLargestSmall);

int size_class_of(std::size_t bytes) {
  if (bytes > kArena) return kUnkept;
  if (bytes > kLargestSmall) return kArenaClass;
  if (bytes <= kSmallest) return 0;
  return 52 - __builtin_clzll(bytes - 1);  // 4097..8192 has 51 leading zeros
}

// A borrower that writes past what it asked for is caught although the piece is larger.
void guard(const Memory& memory, std::size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  ASAN_POISON_MEMORY_REGION(memory.address, memory.capacity);
  ASAN_UNPOISON_MEMORY_REGION(memory.address, bytes);
#else
  (void)memory, (void)bytes;
#endif
}

Memory* make_memory(std::size_t bytes, int size_class) {
  if (bytes > SIZE_MAX / 2) throw std::bad_alloc();
  std::size_t capacity = (bytes + os::kHugePage - 1) / os::kHugePage * os::kHugePage;
  if (size_class == kArenaClass) capacity = kArena;
  if (size_class >= 0 && size_class < kSmallClasses) capacity = kSmallest << size_class;
  auto* memory = new Memory{nullptr, capacity, 0, size_class, nullptr};
  const bool small = capacity <= kLargestSmall;
  memory->address = small ? std::aligned_alloc(kCacheLine, capacity) : os::map_huge(capacity);
  if (memory->address != nullptr) return memory;
  delete memory;
  throw std::bad_alloc();
}

void destroy(Memory* memory) {
  guard(*memory, memory->capacity);
  if (memory->capacity <= kLargestSmall) {
    std::free(memory->address);
  } else {
    os::unmap(memory->address, memory->capacity);
  }
  delete memory;
}

class IdleList {
 public:
  // Null if there is none. Of small pieces the last one returned: it is the one still in a cache. Of arenas
  // the smallest that is resident far enough, or else the largest: then the fewest pages become resident in
  // the end.
  Memory* take(int size_class, std::size_t bytes) {
    const std::lock_guard<std::mutex> lock(mutex_);
    Memory** best = &first_[size_class];
    if (*best == nullptr) return nullptr;
    for (Memory** link = &(*best)->next_idle; size_class == kArenaClass && *link != nullptr;
         link = &(*link)->next_idle) {
      const std::size_t candidate = (*link)->resident, chosen = (*best)->resident;
      const bool fits = candidate >= bytes, chosen_fits = chosen >= bytes;
      if (fits ? (!chosen_fits || candidate < chosen) : (!chosen_fits && candidate > chosen)) best = link;
    }
    Memory* const memory = *best;
    *best = memory->next_idle;
    idle_bytes_ -= memory->resident;
    return memory;
  }

  // False if the list is full: then the piece is still the caller's.
  bool put(Memory* memory) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (idle_bytes_ + memory->resident > cap_) return false;
    memory->next_idle = first_[memory->size_class];
    first_[memory->size_class] = memory;
    idle_bytes_ += memory->resident;
    return true;
  }

  std::size_t idle_bytes() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return idle_bytes_;
  }

  std::mutex& mutex() { return mutex_; }

 private:
  std::mutex mutex_;
  Memory* first_[kClasses] = {};
  std::size_t idle_bytes_ = 0;
  // All that one call on every CPU may use, so a steady state is never evicted; what many simultaneous
  // callers leave behind beyond that goes back to the system.
  const std::size_t cap_ = kArena + kMaxScratchPerThread * static_cast<std::size_t>(available_cpus());
};

// Leaked: workers may still hold a block while the process exits.
IdleList& idle_list() {
  static IdleList& list = *new IdleList;
  return list;
}

// A fork in one thread must not copy the list while another changes it.
const bool fork_handlers_installed = [] {
  os::at_fork([] { idle_list().mutex().lock(); }, [] { idle_list().mutex().unlock(); },
              [] { idle_list().mutex().unlock(); });
  return true;
}();

}  // namespace

ScratchBlock::ScratchBlock(std::size_t bytes) {
  const int size_class = size_class_of(bytes);
  memory_ = size_class == kUnkept ? nullptr : idle_list().take(size_class, bytes);
  if (memory_ == nullptr) memory_ = make_memory(bytes, size_class);
  const std::size_t touched = size_class == kArenaClass
                                  ? (bytes + os::kHugePage - 1) / os::kHugePage * os::kHugePage
                                  : memory_->capacity;
  if (touched > memory_->resident) memory_->resident = touched;
  guard(*memory_, bytes);
  data_ = memory_->address;
}

ScratchBlock::~ScratchBlock() {
  guard(*memory_, 0);
  if (memory_->size_class == kUnkept || !idle_list().put(memory_)) destroy(memory_);
}

std::size_t idle_scratch_bytes() { return idle_list().idle_bytes(); }

}  // namespace pyconv
