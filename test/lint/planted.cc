// What test/lint/frames has to find, and what it has to leave alone: each line that ends in "found" and no
// other one. Compiled by nobody.

#include "influx/postgres/error.h"
#include "influx/postgres/text.h"
#include "influx/postgres/transaction.h"

namespace {

namespace postgres = influx::postgres;

struct Holder {
  std::string text;
};

std::string text_of(const char* text) {
  return text;
}

void report_with_vector() {
  std::vector<int> numbers;
  ereport(LOG, (errmsg("one")));  // found
}

void report_with_member() {
  Holder holder;
  if (!holder.text.empty()) {
    elog(ERROR, "two");  // found
  }
}

void report_with_parameter(std::string text) {
  ereport(WARNING, (errmsg("%s", text.c_str())));  // found
}

void report_with_temporary() {
  ereport(WARNING, (errmsg("%s", text_of("three").c_str())));  // found
}

void call_with_string() {
  const std::string name = "four";
  (void)pstrdup(name.c_str());  // found
}

void call_in_lambda() {
  std::optional<std::string> name;
  postgres::in_context(CurrentMemoryContext, [&] { (void)palloc(1); });  // found
}

void call_in_loop(const std::vector<std::string>& names) {
  for (const std::string copy : names) {
    (void)palloc(copy.size());  // found
  }
}

void lambda_with_object() {
  postgres::guard([&] {
    std::string text = "five";
    (void)palloc(text.size());  // found
  });
}

void guarded() {
  std::vector<int> numbers;
  postgres::guard([&] { ereport(LOG, (errmsg("%zu", numbers.size()))); });
}

void before_and_after() {
  (void)palloc(1);
  {
    std::string text = "six";
  }
  (void)palloc(2);
}

void made_of_it() {
  const std::string text = text_of(pstrdup("seven"));
}

void of_a_caller(const std::string& text, std::vector<int>* numbers) {
  (void)palloc(text.size() + numbers->size());
}

void error_of_ours() {
  const postgres::Error error(0, "eight");
  (void)palloc(1);
}

void excused() {
  std::string text;
  (void)palloc(1);  // frame: it says so here
}

}  // namespace

void all_of_it() {
  report_with_vector();
  report_with_member();
  report_with_parameter("");
  report_with_temporary();
  call_with_string();
  call_in_lambda();
  call_in_loop({});
  lambda_with_object();
  guarded();
  before_and_after();
  made_of_it();
  of_a_caller("", nullptr);
  error_of_ours();
  excused();
}
