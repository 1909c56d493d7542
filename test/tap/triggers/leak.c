// A trigger of a user that keeps memory which nobody can take from it: for each row that comes, as many megabytes as
// the trigger's argument says.
#include <postgres.h>

#include <commands/trigger.h>
#include <fmgr.h>

#include <stdlib.h>

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(leak);

Datum leak(PG_FUNCTION_ARGS) {
  const TriggerData* call = (const TriggerData*)fcinfo->context;
  const size_t size = (size_t)atoi(call->tg_trigger->tgargs[0]) << 20;
  volatile char* kept = malloc(size);
  if (kept == NULL) elog(ERROR, "no memory to be kept");
  for (size_t i = 0; i < size; i += 1024) kept[i] = 1;
  return PointerGetDatum(call->tg_trigtuple);
}
