/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/template-warm.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/client/client.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/path.h"
#include "lib/base/str.h"
#include "lib/sandbox/sandbox.h"
#include "lib/sandbox/storage.h"
#include "oci/config.h"

#define CALL_TIMEOUT_MS 60000
#define NAME "template"
#define PROGRAM "program"
#define LOADED_AT 0x400000

/* Waits for a signal with an argument, and ends without one. Any program of the host's or the
 * image's may be too large, or not there. */
static const unsigned char code[] = {
#if defined(__x86_64__)
	0x48, 0x83, 0x3c, 0x24, 0x01, /* cmpq $1, (%rsp) */
	0x74, 0x09,		      /* je 1f */
	0xb8, 0x22, 0x00, 0x00, 0x00, /* 0: mov $SYS_pause, %eax */
	0x0f, 0x05,		      /* syscall */
	0xeb, 0xf7,		      /* jmp 0b */
	0xb8, 0xe7, 0x00, 0x00, 0x00, /* 1: mov $SYS_exit_group, %eax */
	0x31, 0xff,		      /* xor %edi, %edi */
	0x0f, 0x05,		      /* syscall */
#endif
};

struct program {
	Elf64_Ehdr header;
	Elf64_Phdr segment;
	unsigned char code[sizeof(code)];
};

static int write_program(int dir_fd, struct error *err)
{
	struct program program = {
		.header = {
			.e_ident = ELFMAG,
			.e_type = ET_EXEC,
			.e_machine = EM_X86_64,
			.e_version = EV_CURRENT,
			.e_entry = LOADED_AT + offsetof(struct program, code),
			.e_phoff = offsetof(struct program, segment),
			.e_ehsize = sizeof(Elf64_Ehdr),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 1,
		},
		.segment = {
			.p_type = PT_LOAD,
			.p_flags = PF_R | PF_X,
			.p_vaddr = LOADED_AT,
			.p_paddr = LOADED_AT,
			.p_filesz = sizeof(struct program),
			.p_memsz = sizeof(struct program),
			.p_align = 4096,
		},
	};
	cleanup_fd int fd = openat(dir_fd, PROGRAM, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
	int r;

	if (fd < 0)
		return error_sys(err, errno, "make a program");
	program.header.e_ident[EI_CLASS] = ELFCLASS64;
	program.header.e_ident[EI_DATA] = ELFDATA2LSB;
	program.header.e_ident[EI_VERSION] = EV_CURRENT;
	memcpy(program.code, code, sizeof(code));
	r = write_all(fd, &program, sizeof(program));
	return r < 0 ? error_sys(err, r, "write a program") : 0;
}

static int make_root(int dir_fd, struct error *err)
{
	static const char *const dirs[] = { "dev", "proc", "sys" };

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (mkdirat(dir_fd, dirs[i], 0755) < 0)
			return error_sys(err, errno, "make '%s'", dirs[i]);
	return write_program(dir_fd, err);
}

static void set_args(struct oci_process *process, const char *argument)
{
	strv_free(process->args);
	process->args = NULL;
	strv_push(&process->args, xstrdup("/" PROGRAM));
	if (argument)
		strv_push(&process->args, xstrdup(argument));
	process->terminal = false;
}

/* The guest's own is the container's, as with those to come. */
static void drop_network(struct oci_linux *l)
{
	for (size_t i = 0; i < l->namespaces_count; i++) {
		if (l->namespaces[i].type != OCI_NS_NETWORK)
			continue;
		free(l->namespaces[i].path);
		l->namespaces[i--] = l->namespaces[--l->namespaces_count];
	}
}

/* As `moat spec` has it. The cgroup that its own is in stays: with the first below the root, and
 * again when the last goes, the kernel rewrites parts of itself. */
static int plan(struct oci_config **ret, struct error *err)
{
	cleanup_free char *text = oci_spec_template(&(struct oci_template){ .is_machine = true });
	int r = oci_config_parse("config.json", text, strlen(text), ret, err);

	if (r < 0)
		return r;
	free((*ret)->root.path);
	(*ret)->root.path = xstrdup(SANDBOX_SHARE_GUEST_DIR "/" NAME);
	(*ret)->root.readonly = false;
	free((*ret)->linux_.cgroups_path);
	(*ret)->linux_.cgroups_path = xstrdup("/" NAME "/" PROGRAM);
	drop_network(&(*ret)->linux_);
	return 0;
}

static int call(struct agent_client *client, enum agent_method method, const void *request,
		struct error *err)
{
	grpc_Empty response;
	int r = agent_call(client, method, request, &response, CALL_TIMEOUT_MS, err);

	if (r == 0)
		agent_response_release(method, &response);
	return r;
}

static int create(struct agent_client *client, struct oci_config *config, enum hv_share share,
		  struct error *err)
{
	cleanup_free char *json = NULL;
	grpc_Storage storage = sandbox_share_storage(share);

	set_args(config->process, "wait");
	json = oci_config_text(config, false);
	return call(client, AGENT_CREATE_CONTAINER,
		    &(grpc_CreateContainerRequest){
			    .container_id = (char *)NAME,
			    .exec_id = (char *)NAME,
			    .storages = &storage,
			    .storages_count = 1,
			    .oci_json = { (const uint8_t *)json, strlen(json) },
		    },
		    err);
}

static int run(struct agent_client *client, struct oci_config *config, struct error *err)
{
	const grpc_WaitProcessRequest wait = { (char *)NAME, (char *)PROGRAM };
	cleanup_free char *json = NULL;
	grpc_WaitProcessResponse response;
	int r;

	set_args(config->process, NULL);
	json = oci_process_text(config->process);
	r = call(client, AGENT_EXEC_PROCESS,
		 &(grpc_ExecProcessRequest){
			 .container_id = (char *)NAME,
			 .exec_id = (char *)PROGRAM,
			 .oci_json = { (const uint8_t *)json, strlen(json) },
		 },
		 err);
	if (r == 0)
		r = agent_call(client, AGENT_WAIT_PROCESS, &wait, &response, CALL_TIMEOUT_MS, err);
	if (r == 0 && response.status)
		r = error_set(err, -EIO, "the program ended with status %d", (int)response.status);
	return r;
}

static int make_and_remove(struct agent_client *client, enum hv_share share, struct error *err)
{
	const grpc_StartContainerRequest start = { .container_id = (char *)NAME };
	const grpc_RemoveContainerRequest remove = { .container_id = (char *)NAME };
	cleanup_oci_config struct oci_config *config = NULL;
	int r = plan(&config, err);

	if (r == 0)
		r = create(client, config, share, err);
	if (r == 0)
		r = call(client, AGENT_START_CONTAINER, &start, err);
	if (r == 0)
		r = run(client, config, err);
	return r == 0 ? call(client, AGENT_REMOVE_CONTAINER, &remove, err) : r;
}

int template_warm_up(struct agent_client *client, enum hv_share share, const char *shared_dir,
		     struct error *err)
{
	cleanup_free char *dir = xasprintf("%s/" NAME, shared_dir);
	cleanup_fd int fd = -1;
	int r;

	if (share == HV_SHARE_NONE || sizeof(code) == 0)
		return 0;
	if (mkdir(dir, 0700) < 0)
		return error_sys(err, errno, "make '%s'", dir);
	fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_sys(err, errno, "open '%s'", dir);
	r = make_root(fd, err);
	return r < 0 ? r : make_and_remove(client, share, err);
}
