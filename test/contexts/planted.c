/*
 * Faults that test/contexts/run has to find before it looks at the module; no part of the extension.
 *
 * planted(fault) makes one, in memory of the server's contexts. What is read comes by a pointer that the compiler
 * knows nothing of, so that it is read.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/tupdesc.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

PG_MODULE_MAGIC;

static char *volatile kept;

static MemoryContext
own_context(void)
{
	return AllocSetContextCreate(TopMemoryContext, "planted", ALLOCSET_SMALL_SIZES);
}

/* A byte of a chunk that was given back. */
static int
freed_chunk(void)
{
	kept = palloc0(40);
	pfree(kept);
	return kept[20];
}

/* A byte of a chunk whose context was reset. */
static int
reset_context(void)
{
	MemoryContext context = own_context();
	int			byte;

	kept = MemoryContextAllocZero(context, 40);
	MemoryContextReset(context);
	byte = kept[20];
	MemoryContextDelete(context);
	return byte;
}

/* Rows that a connection of SPI knows are read by a statement after their memory is gone. */
static int
registered_rows(void)
{
	MemoryContext context = own_context();
	MemoryContext before = MemoryContextSwitchTo(context);
	EphemeralNamedRelation rows = palloc0(sizeof(EphemeralNamedRelationData));
	TupleDesc	descriptor = CreateTemplateTupleDesc(1);

	TupleDescInitEntry(descriptor, 1, "value", INT4OID, -1, 0);
	rows->md.name = pstrdup("planted_rows");
	rows->md.reliddesc = InvalidOid;
	rows->md.tupdesc = descriptor;
	rows->md.enrtype = ENR_NAMED_TUPLESTORE;
	rows->reldata = tuplestore_begin_heap(false, false, 64);
	MemoryContextSwitchTo(before);

	SPI_connect();
	SPI_register_relation(rows);
	MemoryContextReset(context);
	/* Any other name is compared with that of the rows. */
	SPI_execute("SELECT 1 FROM pg_class LIMIT 1", true, 1);
	SPI_finish();
	MemoryContextDelete(context);
	return 0;
}

/* A decision by what nobody has written. */
static int
never_written(void)
{
	kept = palloc(40);
	if (kept[20] == 'x')
		elog(NOTICE, "by chance");
	return 0;
}

/* A byte behind the end of a chunk is written. */
static int
past_the_end(void)
{
	kept = palloc0(40);
	kept[40] = 'x';
	pfree(kept);
	return 0;
}

static int
assertion(void)
{
	/* An index of a list that has no such element, as the server itself asserts. */
	return linitial_int((List *) list_copy_head(list_make1_int(1), 0));
}

PG_FUNCTION_INFO_V1(planted);
Datum
planted(PG_FUNCTION_ARGS)
{
	static const struct
	{
		const char *name;
		int			(*make) (void);
	}			faults[] = {
		{"freed_chunk", freed_chunk},
		{"reset_context", reset_context},
		{"registered_rows", registered_rows},
		{"never_written", never_written},
		{"past_the_end", past_the_end},
		{"assertion", assertion},
	};
	const char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));

	if (strcmp(name, "nothing") == 0)
		PG_RETURN_INT32(0);
	for (int i = 0; i < lengthof(faults); i++)
	{
		if (strcmp(name, faults[i].name) == 0)
			PG_RETURN_INT32(faults[i].make());
	}
	elog(ERROR, "no fault is named %s", name);
}
