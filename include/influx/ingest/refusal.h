#pragma once

#include "influx/line_protocol/error.h"
#include "influx/postgres/server.h"
#include "influx/schema/objection.h"
#include "influx/transport/endpoint.h"

namespace influx::ingest {

/// Where lines came from: a datagram, or the argument of a function.
struct Origin {
  std::int64_t received_ns = 0;  ///< taken for points without a timestamp
  transport::Endpoint sender;    ///< of length 0 where nobody sent it
};

/// A line of the batch. Plain data; the text is the caller's, and valid until the batch is cleared.
struct Line {
  std::string_view text;
  std::uint32_t number = 0;  ///< within its origin, from 1
  std::uint32_t origin = 0;  ///< index of its Origin
};

/// Whether the one was received before the other. REQUIRES: lines of one batch.
inline bool is_before(const Line& left, const Line& right) noexcept {
  return std::pair(left.origin, left.number) < std::pair(right.origin, right.number);
}

/// Why a line is not stored, as the parts of an ereport(). Plain data; the texts are static or in
/// memory that lives as long as the refusal is used.
struct Refusal {
  int sqlstate = 0;
  const char* message = nullptr;
  const char* detail = nullptr;
  const char* hint = nullptr;
  /// The byte of the line at which it went wrong, from 0; nothing where the line as such is sound.
  std::optional<std::size_t> position;
  std::string_view measurement;  ///< of the line, UTF-8; empty where it is not known
  Oid table = InvalidOid;        ///< of the measurement; InvalidOid where none is known
};

/// The kinds of reasons for which lines are refused, as they are counted.
enum class RefusalKind : std::uint8_t {
  kMalformed,   ///< not line protocol
  kValue,       ///< a value does not fit its column
  kConstraint,  ///< a constraint of the table
  kPermission,  ///< the role may not, or a policy does not let it
  kTable,       ///< the table or a column is missing, cannot be made, or takes no rows
  kLimit,       ///< a limit of the settings or of the server
  kLocked,      ///< the table was locked for too long
  kExtension,   ///< what is of that name belongs to an extension
  kOther,
};
inline constexpr std::size_t kRefusalKinds = 9;

/// The kind that a refusal is counted as.
RefusalKind kind_of(const Refusal& refusal) noexcept;

/// Its name, as users see it: "malformed", "value"...
const char* kind_name(RefusalKind kind) noexcept;

/// Learns of every line that is not stored.
class RefusalHandler {
 public:
  virtual ~RefusalHandler() = default;
  /// May raise, which ends the batch.
  virtual void refuse(const Line& line, const Origin& origin, const Refusal& refusal) = 0;
};

/// The refusal of a malformed line.
Refusal refusal_of(const line_protocol::ParseError& error);

/// The refusal for an objection. The texts stay those of `objection`.
Refusal refusal_of(const schema::Objection& objection);

/// The refusal for the reason of a server error. The texts stay those of `error`.
Refusal refusal_of(const ErrorData& error);

}  // namespace influx::ingest
