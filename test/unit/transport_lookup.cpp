// Lookups of hosts: what is told at once, and what a thread asks for.

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>

#include <cerrno>
#include <string>
#include <vector>

#include "influx/transport/lookup.h"

namespace influx::transport {
namespace {

TEST(TransportLookup, NamesAreWhatANameServerIsAskedFor) {
  for (const char* host : {"*", "localhost", "LocalHost", "127.0.0.1", "::1", "fe80::1%lo", "[::1]",
                           "[name]", "", "127.1", "0.0.0.0", "::ffff:127.0.0.1"}) {
    EXPECT_FALSE(is_name(host)) << host;
  }
  EXPECT_FALSE(is_name(std::string_view("a\0b", 3)));
  for (const std::string& host :
       {std::string("a"), std::string("localhost."), std::string("1.2.3.4.5"), std::string("::g"),
        std::string(1000, 'a')}) {
    EXPECT_TRUE(is_name(host)) << host;
  }
}

TEST(TransportLookup, WithoutNamesItIsDoneAtOnce) {
  Failure failure;
  const auto lookup =
      Lookup::begin({"127.0.0.1", "*", "localhost", "[::g]"}, Lookup::Use::kListen, failure);
  ASSERT_NE(lookup, nullptr);
  EXPECT_TRUE(lookup->done());
  EXPECT_EQ(lookup->descriptor(), -1);
  ASSERT_EQ(lookup->found().size(), 4U);
  EXPECT_EQ(lookup->found()[0].endpoints.front().with_port(80).text(), "127.0.0.1:80");
  EXPECT_EQ(lookup->found()[1].endpoints.size(), 2U);
  EXPECT_EQ(lookup->found()[2].endpoints.size(), 2U);
  EXPECT_TRUE(lookup->found()[3].endpoints.empty());
  EXPECT_FALSE(lookup->found()[3].failure.reason.empty());
}

TEST(TransportLookup, NamesAreAskedForInAThread) {
  Failure failure;
  const auto lookup =
      Lookup::begin({"127.0.0.1", "no-such-host.invalid"}, Lookup::Use::kSend, failure);
  ASSERT_NE(lookup, nullptr) << failure.reason;
  pollfd waiting{lookup->descriptor(), POLLIN, 0};
  ASSERT_EQ(poll(&waiting, 1, -1), 1);
  while (!lookup->done()) {
  }
  ASSERT_EQ(lookup->found().size(), 2U);
  EXPECT_FALSE(lookup->found()[0].endpoints.empty());
  EXPECT_TRUE(lookup->found()[1].endpoints.empty());
  EXPECT_FALSE(lookup->found()[1].failure.reason.empty());
}

// The thread goes on without the one who began it, and may end after it.
TEST(TransportLookup, CanBeLetGo) {
  for (int i = 0; i < 20; ++i) {
    Failure failure;
    const auto lookup = Lookup::begin({"no-such-host.invalid"}, Lookup::Use::kSend, failure);
    EXPECT_TRUE(lookup != nullptr || failure.error_number == EAGAIN) << failure.reason;
  }
}

}  // namespace
}  // namespace influx::transport
