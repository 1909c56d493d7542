/*
 * Names in SQL that are looked up on the search path: what unqualified() finds in a text, and, where the library is
 * preloaded, in every statement that the module influx gives to the server. For test/qualified/run; no part of the
 * extension.
 *
 * The text is parsed by the server's own parser. What the parse tree names without a schema is found: operators, also
 * those that BETWEEN, IN, LIKE, NULLIF and the like stand for, functions, types, relations, collations, operator
 * classes. A kind of statement that is not known here is a finding too.
 */
#include "postgres.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <fcntl.h>
#include <unistd.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "parser/analyze.h"
#include "parser/parser.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"

PG_MODULE_MAGIC;

/* The rows of a batch, which hide a relation of that name (src/ingest/insert_plan.cpp). */
#define ROWS_OF_BATCH "influx_batch"

typedef struct Search
{
	List	   *findings;		/* of char * */
	List	   *queries;		/* names in WITH, of char * */
	bool		is_script;		/* of the extension, which makes objects in a schema of others */
} Search;

static bool walk(Node *node, void *context);

static void
found(Search *search, const char *format,...) pg_attribute_printf(2, 3);

static void
found(Search *search, const char *format,...)
{
	char		text[512];
	va_list		arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	search->findings = lappend(search->findings, pstrdup(text));
}

/* A name of one part, where it has to have at least `parts`. */
static void
check_name(Search *search, const char *kind, List *name, int parts)
{
	if (name != NIL && list_length(name) < parts)
		found(search, "%s %s", kind, strVal(llast(name)));
}

static void
check_relation(Search *search, const RangeVar *relation)
{
	ListCell   *cell;

	if (relation == NULL || relation->schemaname != NULL)
		return;
	foreach(cell, search->queries)
	{
		if (strcmp(lfirst(cell), relation->relname) == 0)
			return;
	}
	if (!search->is_script && strcmp(relation->relname, ROWS_OF_BATCH) == 0)
		return;
	found(search, "relation %s", relation->relname);
}

/* The text of a constant; NULL for another node. */
static const char *
text_of(Node *node)
{
	A_Const    *constant;

	if (node == NULL || !IsA(node, A_Const))
		return NULL;
	constant = (A_Const *) node;
	return !constant->isnull && IsA(&constant->val, String) ? strVal(&constant->val) : NULL;
}

/* A text that is going to be looked up by name. */
static void
check_text(Search *search, const char *kind, Node *node)
{
	const char *text = text_of(node);

	if (text != NULL && strchr(text, '.') == NULL)
		found(search, "%s '%s'", kind, text);
}

/* What pg_dump puts behind the name of the relation, and runs as whoever makes the dump. */
static void
check_condition_of_dump(Search *search, const char *condition)
{
	List	   *statements;

	if (condition == NULL)
	{
		found(search, "condition of a dump that is no text");
		return;
	}
	statements = raw_parser(psprintf("SELECT 1 FROM a.b %s", condition), RAW_PARSE_DEFAULT);
	walk(linitial_node(RawStmt, statements)->stmt, search);
}

static void
check_function(Search *search, FuncCall *call)
{
	check_name(search, "function", call->funcname, 2);
	if (list_length(call->args) == 2 && strcmp(strVal(llast(call->funcname)), "pg_extension_config_dump") == 0)
	{
		check_text(search, "relation", linitial(call->args));
		check_condition_of_dump(search, text_of(lsecond(call->args)));
	}
}

static void
check_cast(Search *search, TypeCast *cast)
{
	static const char *const looked_up[] = {"regclass", "regproc", "regprocedure", "regoper", "regoperator", "regtype"};
	const char *type = cast->typeName->names == NIL ? "" : strVal(llast(cast->typeName->names));

	for (int i = 0; i < lengthof(looked_up); i++)
	{
		if (strcmp(type, looked_up[i]) == 0)
			check_text(search, type, cast->arg);
	}
}

static void
check_object(Search *search, ObjectType type, Node *object)
{
	int			parts = 2;

	switch (type)
	{
		case OBJECT_SCHEMA:
		case OBJECT_ROLE:
			return;
		case OBJECT_COLUMN:
		case OBJECT_POLICY:
		case OBJECT_TRIGGER:
		case OBJECT_TABCONSTRAINT:
		case OBJECT_RULE:
			parts = 3;
			break;
		case OBJECT_TABLE:
		case OBJECT_VIEW:
		case OBJECT_INDEX:
		case OBJECT_SEQUENCE:
		case OBJECT_FUNCTION:
		case OBJECT_PROCEDURE:
		case OBJECT_ROUTINE:
		case OBJECT_TYPE:
			break;
		default:
			found(search, "object of a kind that is not known to this check: %d", (int) type);
			return;
	}
	if (IsA(object, List))
		check_name(search, "object", (List *) object, parts);
	else
		walk(object, search);
}

static void
walk_list(Search *search, List *list)
{
	ListCell   *cell;

	foreach(cell, list)
	{
		walk(lfirst(cell), search);
	}
}

static void
check_options_of_function(Search *search, List *options)
{
	const char *language = "";
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, "language") == 0)
			language = strVal(option->arg);
	}
	if (pg_strcasecmp(language, "c") != 0 && pg_strcasecmp(language, "internal") != 0)
		found(search, "function in language %s, whose body this check does not read", language);
}

/* Statements and what is in them that raw_expression_tree_walker() does not know. True where it is one of these. */
static bool
walk_utility(Search *search, Node *node)
{
	ListCell   *cell;

	switch (nodeTag(node))
	{
		case T_RawStmt:
			walk(((RawStmt *) node)->stmt, search);
			return true;
		case T_CreateStmt:
			{
				CreateStmt *create = (CreateStmt *) node;

				check_relation(search, create->relation);
				walk_list(search, create->tableElts);
				walk_list(search, create->inhRelations);
				walk_list(search, create->constraints);
				if (create->ofTypename != NULL)
					walk((Node *) create->ofTypename, search);
				if (create->if_not_exists && search->is_script)
					found(search, "IF NOT EXISTS");
				if (create->partspec != NULL || create->partbound != NULL)
					found(search, "partition, which this check does not read");
				return true;
			}
		case T_ColumnDef:
			{
				ColumnDef  *column = (ColumnDef *) node;

				if (column->typeName != NULL)
					walk((Node *) column->typeName, search);
				if (column->collClause != NULL)
					walk((Node *) column->collClause, search);
				if (column->raw_default != NULL)
					walk(column->raw_default, search);
				walk_list(search, column->constraints);
				return true;
			}
		case T_Constraint:
			{
				Constraint *constraint = (Constraint *) node;

				if (constraint->raw_expr != NULL)
					walk(constraint->raw_expr, search);
				if (constraint->where_clause != NULL)
					walk(constraint->where_clause, search);
				check_relation(search, constraint->pktable);
				foreach(cell, constraint->exclusions)
				{
					List	   *exclusion = lfirst_node(List, cell);

					walk(linitial(exclusion), search);
					check_name(search, "operator", lsecond(exclusion), 2);
				}
				return true;
			}
		case T_AlterTableStmt:
			check_relation(search, ((AlterTableStmt *) node)->relation);
			walk_list(search, ((AlterTableStmt *) node)->cmds);
			return true;
		case T_AlterTableCmd:
			{
				AlterTableCmd *command = (AlterTableCmd *) node;

				/* A DefElem, a role and the like have no name on the search path. */
				if (command->def != NULL && (IsA(command->def, ColumnDef) || IsA(command->def, Constraint) ||
											 command->subtype == AT_ColumnDefault))
					walk(command->def, search);
				return true;
			}
		case T_CreateFunctionStmt:
			{
				CreateFunctionStmt *create = (CreateFunctionStmt *) node;

				check_name(search, "function", create->funcname, 2);
				walk_list(search, create->parameters);
				if (create->returnType != NULL)
					walk((Node *) create->returnType, search);
				check_options_of_function(search, create->options);
				if (create->replace && search->is_script)
					found(search, "OR REPLACE");
				return true;
			}
		case T_FunctionParameter:
			walk((Node *) ((FunctionParameter *) node)->argType, search);
			if (((FunctionParameter *) node)->defexpr != NULL)
				walk(((FunctionParameter *) node)->defexpr, search);
			return true;
		case T_ObjectWithArgs:
			check_name(search, "object", ((ObjectWithArgs *) node)->objname, 2);
			walk_list(search, ((ObjectWithArgs *) node)->objargs);
			return true;
		case T_ViewStmt:
			check_relation(search, ((ViewStmt *) node)->view);
			walk(((ViewStmt *) node)->query, search);
			if (((ViewStmt *) node)->replace && search->is_script)
				found(search, "OR REPLACE");
			return true;
		case T_CreateTrigStmt:
			check_relation(search, ((CreateTrigStmt *) node)->relation);
			check_relation(search, ((CreateTrigStmt *) node)->constrrel);
			check_name(search, "function", ((CreateTrigStmt *) node)->funcname, 2);
			if (((CreateTrigStmt *) node)->whenClause != NULL)
				walk(((CreateTrigStmt *) node)->whenClause, search);
			return true;
		case T_CreatePolicyStmt:
			check_relation(search, ((CreatePolicyStmt *) node)->table);
			if (((CreatePolicyStmt *) node)->qual != NULL)
				walk(((CreatePolicyStmt *) node)->qual, search);
			if (((CreatePolicyStmt *) node)->with_check != NULL)
				walk(((CreatePolicyStmt *) node)->with_check, search);
			return true;
		case T_AlterPolicyStmt:
			check_relation(search, ((AlterPolicyStmt *) node)->table);
			if (((AlterPolicyStmt *) node)->qual != NULL)
				walk(((AlterPolicyStmt *) node)->qual, search);
			if (((AlterPolicyStmt *) node)->with_check != NULL)
				walk(((AlterPolicyStmt *) node)->with_check, search);
			return true;
		case T_IndexStmt:
			check_relation(search, ((IndexStmt *) node)->relation);
			walk_list(search, ((IndexStmt *) node)->indexParams);
			if (((IndexStmt *) node)->whereClause != NULL)
				walk(((IndexStmt *) node)->whereClause, search);
			if (((IndexStmt *) node)->if_not_exists && search->is_script)
				found(search, "IF NOT EXISTS");
			return true;
		case T_CommentStmt:
			check_object(search, ((CommentStmt *) node)->objtype, ((CommentStmt *) node)->object);
			return true;
		case T_DropStmt:
			foreach(cell, ((DropStmt *) node)->objects)
			{
				check_object(search, ((DropStmt *) node)->removeType, lfirst(cell));
			}
			return true;
		case T_GrantStmt:
			if (((GrantStmt *) node)->targtype != ACL_TARGET_OBJECT)
				found(search, "GRANT on all of a schema");
			foreach(cell, ((GrantStmt *) node)->objects)
			{
				check_object(search, ((GrantStmt *) node)->objtype, lfirst(cell));
			}
			return true;
		case T_ConstraintsSetStmt:
			walk_list(search, ((ConstraintsSetStmt *) node)->constraints);
			return true;
		default:
			return false;
	}
}

/* The WITH clause of a query; `is_query` tells whether it is one. */
static WithClause *
with_clause_of(Node *node, bool *is_query)
{
	*is_query = true;
	switch (nodeTag(node))
	{
		case T_SelectStmt:
			return ((SelectStmt *) node)->withClause;
		case T_InsertStmt:
			return ((InsertStmt *) node)->withClause;
		case T_UpdateStmt:
			return ((UpdateStmt *) node)->withClause;
		case T_DeleteStmt:
			return ((DeleteStmt *) node)->withClause;
		case T_MergeStmt:
			return ((MergeStmt *) node)->withClause;
		default:
			*is_query = false;
			return NULL;
	}
}

static bool
walk(Node *node, void *context)
{
	Search	   *search = context;
	WithClause *with;
	ListCell   *cell;
	bool		is_query;

	if (node == NULL || walk_utility(search, node))
		return false;
	/* The names are known before what reads them is looked at. */
	with = with_clause_of(node, &is_query);
	foreach(cell, with == NULL ? NIL : with->ctes)
	{
		search->queries = lappend(search->queries, lfirst_node(CommonTableExpr, cell)->ctename);
	}
	switch (nodeTag(node))
	{
		case T_RangeVar:
			check_relation(search, (RangeVar *) node);
			return false;
		case T_A_Expr:
			check_name(search, "operator", ((A_Expr *) node)->name, 2);
			break;
		case T_SubLink:
			if (((SubLink *) node)->testexpr != NULL && ((SubLink *) node)->operName == NIL)
				found(search, "operator IN");
			check_name(search, "operator", ((SubLink *) node)->operName, 2);
			break;
		case T_CaseExpr:
			if (((CaseExpr *) node)->arg != NULL)
				found(search, "operator = of CASE");
			break;
		case T_JoinExpr:
			if (((JoinExpr *) node)->isNatural || ((JoinExpr *) node)->usingClause != NIL)
				found(search, "operator = of JOIN");
			break;
		case T_FuncCall:
			check_function(search, (FuncCall *) node);
			break;
		case T_TypeName:
			check_name(search, "type", ((TypeName *) node)->names, 2);
			break;
		case T_TypeCast:
			check_cast(search, (TypeCast *) node);
			break;
		case T_SortBy:
			check_name(search, "operator", ((SortBy *) node)->useOp, 2);
			break;
		case T_CollateClause:
			check_name(search, "collation", ((CollateClause *) node)->collname, 2);
			break;
		case T_IndexElem:
			check_name(search, "collation", ((IndexElem *) node)->collation, 2);
			check_name(search, "operator class", ((IndexElem *) node)->opclass, 2);
			break;
		case T_LockingClause:
			return false;		/* has aliases of this statement */
		default:
			break;
	}
	return raw_expression_tree_walker(node, walk, context);
}

/* Where a statement begins, behind comments of whole lines. */
static const char *
first_word(const char *at)
{
	for (;;)
	{
		at += strspn(at, " \t\r\n");
		if (strncmp(at, "--", 2) != 0)
			return at;
		at += strcspn(at, "\n");
	}
}

/* What of `sql` is looked up on the search path. */
static List *
find_unqualified(const char *sql, bool is_script)
{
	Search		search = {NIL, NIL, is_script};
	ListCell   *cell;

	foreach(cell, raw_parser(sql, RAW_PARSE_DEFAULT))
	{
		RawStmt    *statement = lfirst_node(RawStmt, cell);
		int			count = list_length(search.findings);
		int			line = 1;
		bool		is_query;

		search.queries = NIL;
		with_clause_of(statement->stmt, &is_query);
		if (is_query)
			walk(statement->stmt, &search);
		else if (!walk_utility(&search, statement->stmt))
			found(&search, "statement of a kind that is not known to this check: %d", (int) nodeTag(statement->stmt));
		for (const char *at = sql; at < first_word(sql + statement->stmt_location); at++)
			line += *at == '\n';
		for (; count < list_length(search.findings); count++)
		{
			ListCell   *finding = list_nth_cell(search.findings, count);

			lfirst(finding) = psprintf("statement at line %d: %s", line, (char *) lfirst(finding));
		}
	}
	return search.findings;
}

PG_FUNCTION_INFO_V1(unqualified);

/* unqualified(sql text, is_script boolean) RETURNS text[] */
Datum
unqualified(PG_FUNCTION_ARGS)
{
	List	   *findings = find_unqualified(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_BOOL(1));
	ArrayBuildState *result = initArrayResult(TEXTOID, CurrentMemoryContext, false);
	ListCell   *cell;

	foreach(cell, findings)
	{
		result = accumArrayResult(result, CStringGetTextDatum(lfirst(cell)), false, TEXTOID, CurrentMemoryContext);
	}
	PG_RETURN_DATUM(makeArrayResult(result, CurrentMemoryContext));
}

/* --- statements of the module influx ------------------------------------------------------------ */

static char *report_file = NULL;
static post_parse_analyze_hook_type next_hook = NULL;

/*
 * Whether the statement that is analysed now was given to SPI by the module, and not by a function that one of its
 * statements calls: the next library outwards is the module, and between there is one call of SPI and no function in
 * SQL, which the server itself runs.
 */
static bool
is_of_module(void)
{
	void	   *frames[256];
	int			count = backtrace(frames, lengthof(frames));
	int			calls = 0;
	bool		in_spi = false;
	bool		in_server = false;

	for (int i = 2; i < count; i++)
	{
		Dl_info		info;
		const char *library;
		bool		is_spi;

		if (dladdr(frames[i], &info) == 0 || info.dli_fname == NULL)
			return false;
		library = strrchr(info.dli_fname, '/');
		library = library == NULL ? info.dli_fname : library + 1;
		if (strcmp(library, "influx.so") == 0)
		{
			/* The module has a hook of its own, which calls this one. */
			if (!in_server)
				continue;
			return calls == 1;
		}
		if (strncmp(library, "postgres", 8) != 0)
			return false;
		in_server = true;
		if (info.dli_sname != NULL && strcmp(info.dli_sname, "fmgr_sql") == 0)
			return false;
		/* What is static in the server goes by the name of what is before it. */
		is_spi = info.dli_sname != NULL && strncmp(info.dli_sname, "SPI_", 4) == 0;
		if (is_spi && !in_spi)
			calls++;
		in_spi = is_spi;
	}
	return false;
}

/* Writes one line, whatever the text has. */
static void
report(const char *kind, const char *text)
{
	char	   *line = psprintf("%s\t%s", kind, text + strspn(text, " \t\n"));
	int			file = open(report_file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

	for (char *at = strchr(line, '\n'); at != NULL; at = strchr(at, '\n'))
		*at = ' ';
	line = psprintf("%s\n", line);
	if (file < 0 || write(file, line, strlen(line)) != (ssize_t) strlen(line))
		ereport(PANIC, (errmsg("could not write \"%s\": %m", report_file)));
	close(file);
}

static void
look_at_statement(ParseState *state, Query *query, JumbleState *jumble)
{
	if (next_hook != NULL)
		next_hook(state, query, jumble);
	if (report_file != NULL && report_file[0] != '\0' && state->p_sourcetext != NULL && is_of_module())
	{
		ListCell   *cell;

		report("statement", state->p_sourcetext);
		foreach(cell, find_unqualified(state->p_sourcetext, false))
		{
			report("unqualified", psprintf("%s: %s", (char *) lfirst(cell), state->p_sourcetext));
		}
	}
}

void		_PG_init(void);

void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	DefineCustomStringVariable("qualified.report", "File to which statements of the module influx are written.", NULL,
							   &report_file, "", PGC_POSTMASTER, 0, NULL, NULL, NULL);
	next_hook = post_parse_analyze_hook;
	post_parse_analyze_hook = look_at_statement;
}
