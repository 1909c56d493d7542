// The part of Ingestor that puts lines aside which need a table or columns made: with the batch, or
// later, where the lines wait for it. Lines that fit their table as it is do not wait, but for
// those of a key that waits. What is needed is made by ingestor_extend.cpp.

#include "influx/ingest/attempt.h"
#include "influx/ingest/ingestor.h"
#include "influx/ingest/key_hash.h"
#include "influx/postgres/settings.h"
#include "influx/transport/clock.h"

namespace influx::ingest {

using schema::Extension;
using schema::Table;
using transport::kNsPerSecond;
using transport::monotonic_ns;

namespace {

/// What was refused once is not tried again at once: a sender repeats its lines, and each attempt
/// at a table takes a lock.
constexpr std::int64_t kRememberRefusalNs = kNsPerSecond;
constexpr std::size_t kMostRememberedRefusals = 1000;

/// Whether the needs of one more line can be met together with those of the lines before. Else it
/// is looked at again when those have been met.
bool may_merge(const Extension& extension, const Extension& needs) noexcept {
  const std::size_t width = extension.width + extension.columns.size() + needs.columns.size();
  return width <= static_cast<std::size_t>(postgres::settings.max_columns) &&
         (!extension.create || postgres::settings.auto_extend);
}

void begin_extension(Extension& extension, std::string_view measurement, const Table* table,
                     const Extension& needs) {
  extension.clear();
  extension.measurement = measurement;
  extension.create = table == nullptr;
  extension.width = table == nullptr ? 1 : table->width;
  extension.merge(needs);
}

}  // namespace

/// Puts a line off that needs its table made or extended.
void Ingestor::defer(const Line& line, std::string_view measurement,
                     const std::shared_ptr<Table>& table) {
  const auto refused = refused_extensions_.find(measurement);
  if (refused != refused_extensions_.end() && !unextended_.holds(measurement)) {
    if (monotonic_ns() < refused->second.until_ns) {
      return refuse(line, refusal_of(refused->second.error), measurement);
    }
    refused_extensions_.erase(refused);
  }
  if (note_need(line, measurement, table)) return map_again(line);
  wait_for_extension(line, measurement, table);
}

/// Notes what the point needs that was just mapped. Whether that is to be made with this batch;
/// else the line is one of those that wait.
bool Ingestor::note_need(const Line& line, std::string_view measurement,
                         const std::shared_ptr<Table>& table) {
  if (HeldLines::Queue* queue = unextended_.find(measurement); queue != nullptr) {
    Need& need = *queue->need;
    if (need.extension.create != (table == nullptr)) {
      begin_extension(need.extension, measurement, table.get(), mapper_.needs());
    } else if (may_merge(need.extension, mapper_.needs())) {
      need.extension.merge(mapper_.needs());
    }
    return false;
  }
  const auto known = extensions_.find(measurement);
  if (known != extensions_.end()) {
    const std::size_t columns_before = known->second.columns.size();
    if (may_merge(known->second, mapper_.needs())) known->second.merge(mapper_.needs());
    budget_.spend(Extension::bytes(known->second.columns.size() - columns_before));
    return true;
  }
  Extension extension;
  begin_extension(extension, measurement, table.get(), mapper_.needs());
  const DdlRation::Sender sender = DdlRation::sender_of(origins_[line.origin].sender);
  if (!transactions_.waits_for_locks() &&
      !ration_.take(sender, extension.objects(), postgres::settings.max_ddl_rate, monotonic_ns())) {
    Need& need = need_of(std::move(extension), nullptr);
    need.rationed = true;
    return false;
  }
  const bool create = extension.create;
  budget_.spend(Extension::bytes(extension.columns.size()));
  extensions_.emplace(measurement, std::move(extension));
  if (create) extender_.promise_table();
  return true;
}

/// From now on lines wait that need `extension`. Where an attempt at it has failed, that was for
/// `reason`, or where it is null for a lock; extension_failed() counts it.
Need& Ingestor::need_of(Extension&& extension, const postgres::Error* reason) {
  auto need = std::make_unique<Need>();
  std::unique_ptr<postgres::Error> kept;
  if (reason != nullptr) kept = std::make_unique<postgres::Error>(*reason);
  // The lines may have waited before, and were only looked at again.
  int attempts = 0;
  for (const Resumed& resumed : resumed_) {
    if (resumed.lines.need == nullptr || resumed.lines.need->begun_ns == 0 ||
        resumed.measurement != extension.measurement) {
      continue;
    }
    attempts = resumed.lines.attempts();
    need->begun_ns = resumed.lines.need->begun_ns;
    need->patient_ns = resumed.lines.need->patient_ns;
  }
  HeldLines::Queue& queue = unextended_.hold(extension.measurement, attempts, HeldLines::kNever);
  need->extension = std::move(extension);
  queue.need = std::move(need);
  queue.reason = std::move(kept);
  unextended_.recount(queue);
  return *queue.need;
}

/// Keeps a line whose measurement has a need that waits, or refuses it. `table` is the one that it
/// has, and to which the mapper has just held the line.
void Ingestor::wait_for_extension(const Line& line, std::string_view measurement,
                                  const std::shared_ptr<Table>& table) {
  HeldLines::Queue& queue = *unextended_.find(measurement);
  Need& need = *queue.need;
  Refusal refusal;
  // Half of the room is for what waits for tables that are there.
  if (held_bytes() + line.text.size() > most_pending() ||
      unextended_.bytes() + ration_.bytes() + line.text.size() > most_pending() / 2) {
    const postgres::Error error(
        queue.reason != nullptr ? queue.reason->sqlstate()
        : need.rationed         ? ERRCODE_CONFIGURATION_LIMIT_EXCEEDED
                                : ERRCODE_LOCK_NOT_AVAILABLE,
        psprintf("%s is missing, and influx.max_pending allows no more to wait",
                 what_is_missing(need.extension)),
        queue.reason != nullptr ? queue.reason->what() : "");
    // A need that no line waits for would take room from others.
    if (queue.size() == 0) {
      if (!need.rationed) remember_refusal(measurement, error);
      unextended_.release(measurement);
    }
    return refuse(line, refusal_of(error), measurement);
  }
  const Origin& origin = origins_[line.origin];
  try {
    if (need.rationed) {
      const DdlRation::Sender sender = DdlRation::sender_of(origin.sender);
      if (queue.size() == 0 || DdlRation::sender_of(queue.last_sender()) != sender) {
        ration_.wait(sender, measurement);
      }
    }
    if (queue.size() == 0) need.table = table;
    if (table != nullptr) note_keys(*table, need);
    unextended_.add(measurement, line, origin);
    return;
  } catch (const std::bad_alloc&) {
    refusal.sqlstate = ERRCODE_OUT_OF_MEMORY;
    refusal.message = "the line would have to wait, and there is no memory for that";
  }
  refuse(line, refusal, measurement);
}

/// Notes which keys a line may have that waits.
void Ingestor::note_keys(const Table& table, Need& need) {
  for (const schema::Arbiter& arbiter : table.arbiters)
    need.keys.insert(hash_of_key(table, arbiter, mapper_));
}

/// Whether the point that was just mapped to a row of `table` has to wait behind a line that needs
/// more columns: it may be of the same key, and the last line of a key wins.
bool Ingestor::is_behind(const std::shared_ptr<Table>& table) {
  if (unextended_.empty() || table->arbiters.empty()) return false;
  HeldLines::Queue* queue = unextended_.find(table->measurement);
  if (queue == nullptr || queue->size() == 0) return false;
  const Need& need = *queue->need;
  if (need.table.lock() != table) {
    // After a change of the table nothing is known of the keys of those that wait, until they are
    // looked at again.
    if (!need.rationed) unextended_.hold(table->measurement, queue->attempts(), monotonic_ns());
    return true;
  }
  return std::any_of(table->arbiters.begin(), table->arbiters.end(),
                     [&](const schema::Arbiter& arbiter) {
                       return need.keys.contains(hash_of_key(*table, arbiter, mapper_));
                     });
}

/// For a while all lines of a measurement that need their table made or extended are refused.
void Ingestor::remember_refusal(std::string_view measurement, const postgres::Error& error) {
  if (refused_extensions_.size() >= kMostRememberedRefusals) refused_extensions_.clear();
  refused_extensions_.insert_or_assign(
      std::string(measurement), RememberedRefusal{error, monotonic_ns() + kRememberRefusalNs});
}

}  // namespace influx::ingest
