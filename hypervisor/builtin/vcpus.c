/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/builtin/vcpus.h"

#include <errno.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "hypervisor/builtin/arch.h"
#include "hypervisor/builtin/bus.h"
#include "hypervisor/builtin/kvm.h"
#include "lib/base/error.h"
#include "lib/base/str.h"

#define STACK_BYTES (128u << 10)
#define REASON_MAX 160

/* Takes a vcpu out of the guest. */
#define KICK_SIGNAL SIGUSR1

enum wish { WISH_PAUSED, WISH_RUNNING, WISH_ENDED };

struct vcpu {
	struct vcpus *all;
	int fd;
	struct kvm_run *run;
	pthread_t thread;
	bool has_thread;
	bool is_over; /* it told on_end() */
	atomic_uint_least64_t exits[HV_EXIT_COUNT];
};

struct vcpus {
	struct vcpus_options options;
	size_t run_size;
	uint32_t count;

	/* Under the lock. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum wish wish;
	bool is_pause_told; /* on_paused() was called for this pause */
	uint32_t waiting;

	struct vcpu vcpus[];
};

static void on_kick(int sig)
{
	(void)sig; /* only there to interrupt KVM_RUN */
}

static int make(const struct kvm *kvm, struct vcpu *v, uint32_t index,
		const struct arch_entry *entry, struct error *err)
{
	void *run;

	v->fd = ioctl(kvm->vm, KVM_CREATE_VCPU, (unsigned long)index);
	if (v->fd < 0)
		return error_sys(err, errno, "create");
	run = mmap(NULL, kvm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	if (run == MAP_FAILED)
		return error_sys(err, errno, "map");
	v->run = run;
	return arch_set_vcpu(kvm, v->fd, index, v->all->count, entry, err);
}

int vcpus_new(const struct kvm *kvm, uint32_t count, const struct arch_entry *entry,
	      const struct vcpus_options *options, struct vcpus **ret, struct error *err)
{
	const struct sigaction action = { .sa_handler = on_kick };
	struct vcpus *all = xcalloc(1, sizeof(*all) + count * sizeof(all->vcpus[0]));
	int r = 0;

	all->options = *options;
	all->run_size = kvm->run_size;
	all->count = count;
	all->is_pause_told = true;
	pthread_mutex_init(&all->lock, NULL); /* cannot fail on Linux, as the next */
	pthread_cond_init(&all->changed, NULL);
	for (uint32_t i = 0; i < count; i++)
		all->vcpus[i] = (struct vcpu){ .all = all, .fd = -1 };
	if (sigaction(KICK_SIGNAL, &action, NULL) < 0)
		r = error_sys(err, errno, "take a signal");
	for (uint32_t i = 0; r == 0 && i < count; i++) {
		r = make(kvm, &all->vcpus[i], i, entry, err);
		if (r < 0)
			(void)error_wrap(err, r, "vcpu %u", i);
	}
	if (r < 0) {
		vcpus_free(all);
		return r;
	}
	*ret = all;
	return 0;
}

/* A vcpu that is just about to enter the guest finds the flag, one that is in it the signal. */
static void kick(struct vcpus *all)
{
	for (uint32_t i = 0; i < all->count; i++) {
		struct vcpu *v = &all->vcpus[i];

		if (!v->has_thread)
			continue;
		__atomic_store_n(&v->run->immediate_exit, 1, __ATOMIC_RELAXED);
		(void)pthread_kill(v->thread, KICK_SIGNAL);
	}
}

static void set_wish(struct vcpus *all, enum wish wish)
{
	pthread_mutex_lock(&all->lock);
	all->wish = wish;
	all->is_pause_told = false;
	if (wish != WISH_RUNNING)
		kick(all);
	pthread_cond_broadcast(&all->changed);
	pthread_mutex_unlock(&all->lock);
}

void vcpus_free(struct vcpus *all)
{
	if (!all)
		return;
	set_wish(all, WISH_ENDED);
	for (uint32_t i = 0; i < all->count; i++) {
		struct vcpu *v = &all->vcpus[i];

		if (v->has_thread)
			(void)pthread_join(v->thread, NULL);
		if (v->run)
			munmap(v->run, all->run_size);
		close_fdp(&v->fd);
	}
	pthread_cond_destroy(&all->changed);
	pthread_mutex_destroy(&all->lock);
	free(all);
}

/* --- exits -------------------------------------------------------------------------------- */

static void count_exit(struct vcpu *v, enum hv_exit kind)
{
	atomic_fetch_add_explicit(&v->exits[kind], 1, memory_order_relaxed);
}

static void end(struct vcpu *v, const char *reason)
{
	v->is_over = true;
	v->all->options.on_end(v->all->options.ctx, reason);
}

static void handle_port(struct vcpu *v)
{
	const struct bus *bus = v->all->options.ports;
	char *data = (char *)v->run + v->run->io.data_offset;
	const size_t size = v->run->io.size;
	bool is_answered = true;

	count_exit(v, HV_EXIT_PORT);
	for (uint32_t i = 0; i < v->run->io.count; i++, data += size)
		is_answered = v->run->io.direction == KVM_EXIT_IO_IN
				      ? bus_read(bus, v->run->io.port, data, size)
				      : bus_write(bus, v->run->io.port, data, size);
	if (!is_answered)
		count_exit(v, HV_EXIT_UNANSWERED);
}

static void handle_mmio(struct vcpu *v)
{
	const struct bus *bus = v->all->options.mmio;
	const uint64_t address = v->run->mmio.phys_addr;
	void *data = v->run->mmio.data;
	const size_t size = v->run->mmio.len;
	bool is_answered = v->run->mmio.is_write ? bus_write(bus, address, data, size)
						 : bus_read(bus, address, data, size);

	count_exit(v, HV_EXIT_MMIO);
	if (!is_answered)
		count_exit(v, HV_EXIT_UNANSWERED);
}

static void handle_halt(struct vcpu *v)
{
	count_exit(v, HV_EXIT_HALT);
}

static void handle_shutdown(struct vcpu *v)
{
	count_exit(v, HV_EXIT_OTHER);
	end(v, "the guest reset itself");
}

/* A kernel that KVM was told of ends by it; on x86 those of Xen and Hyper-V alone. */
static void handle_system_event(struct vcpu *v)
{
	count_exit(v, HV_EXIT_OTHER);
	switch (v->run->system_event.type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		end(v, "the guest powered off");
		break;
	case KVM_SYSTEM_EVENT_CRASH:
		end(v, "the guest's kernel panicked");
		break;
	default:
		end(v, "the guest reset itself");
		break;
	}
}

static void handle_fail_entry(struct vcpu *v)
{
	char reason[REASON_MAX];

	count_exit(v, HV_EXIT_OTHER);
	snprintf(reason, sizeof(reason), "KVM cannot enter the guest: hardware reason 0x%llx",
		 (unsigned long long)v->run->fail_entry.hardware_entry_failure_reason);
	end(v, reason);
}

static const char *const internal_errors[] = {
	[0] = "unknown",
	[KVM_INTERNAL_ERROR_EMULATION] = "an instruction that it does not emulate",
	[KVM_INTERNAL_ERROR_SIMUL_EX] = "two exceptions at once",
	[KVM_INTERNAL_ERROR_DELIVERY_EV] = "an event that could not be delivered",
	[KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON] = "an exit that it does not know",
};

static void handle_internal_error(struct vcpu *v)
{
	const uint32_t kind = v->run->internal.suberror;
	char reason[REASON_MAX];

	count_exit(v, HV_EXIT_OTHER);
	snprintf(reason, sizeof(reason), "KVM cannot go on with the guest: %s, at 0x%llx",
		 internal_errors[kind < ARRAY_SIZE(internal_errors) ? kind : 0],
		 (unsigned long long)arch_instruction(v->fd));
	end(v, reason);
}

static void handle_nothing(struct vcpu *v)
{
	count_exit(v, HV_EXIT_SIGNAL);
}

static void (*const handlers[])(struct vcpu *v) = {
	[KVM_EXIT_IO] = handle_port,
	[KVM_EXIT_MMIO] = handle_mmio,
	[KVM_EXIT_HLT] = handle_halt,
	[KVM_EXIT_SHUTDOWN] = handle_shutdown,
	[KVM_EXIT_SYSTEM_EVENT] = handle_system_event,
	[KVM_EXIT_FAIL_ENTRY] = handle_fail_entry,
	[KVM_EXIT_INTERNAL_ERROR] = handle_internal_error,
	[KVM_EXIT_INTR] = handle_nothing,
};

static void handle(struct vcpu *v)
{
	const uint32_t kind = v->run->exit_reason;
	char reason[REASON_MAX];

	if (kind < ARRAY_SIZE(handlers) && handlers[kind]) {
		handlers[kind](v);
		return;
	}
	count_exit(v, HV_EXIT_OTHER);
	snprintf(reason, sizeof(reason), "KVM left the guest for reason %u, at 0x%llx", kind,
		 (unsigned long long)arch_instruction(v->fd));
	end(v, reason);
}

/* --- threads ------------------------------------------------------------------------------ */

/* Whoever comes last to a pause says so. */
static void tell_pause(struct vcpus *all)
{
	if (all->wish != WISH_PAUSED || all->waiting < all->count || all->is_pause_told)
		return;
	all->is_pause_told = true;
	all->options.on_paused(all->options.ctx);
}

/* False: it is to end. The flag goes while nobody can set it. */
static bool await_turn(struct vcpu *v)
{
	struct vcpus *all = v->all;
	bool may_run, has_waited = false;

	pthread_mutex_lock(&all->lock);
	all->waiting++;
	while (all->wish == WISH_PAUSED || (v->is_over && all->wish != WISH_ENDED)) {
		has_waited = true;
		tell_pause(all);
		pthread_cond_wait(&all->changed, &all->lock);
	}
	all->waiting--;
	may_run = all->wish == WISH_RUNNING;
	__atomic_store_n(&v->run->immediate_exit, 0, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&all->lock);
	/* Or the guest would take the time for a processor that hangs, if it has that clock. */
	if (has_waited)
		(void)ioctl(v->fd, KVM_KVMCLOCK_CTRL, 0);
	return may_run;
}

/* False: it is to look whether it may go on. An exit that was handled is complete only when the
 * guest is entered again, which the flag keeps from running: so no vcpu waits in between. */
static bool run_guest(struct vcpu *v)
{
	if (ioctl(v->fd, KVM_RUN, 0) == 0) {
		handle(v);
		return !v->is_over;
	}
	if (errno == EINTR || errno == EAGAIN)
		count_exit(v, HV_EXIT_SIGNAL);
	else if (errno == EFAULT)
		end(v, "the host's memory failed");
	else
		end(v, "KVM cannot run the guest");
	return false;
}

static void *run_vcpu(void *arg)
{
	struct vcpu *v = arg;
	struct error err = ERROR_INIT;

	if (v->all->options.confine && v->all->options.confine(&err) < 0)
		end(v, err.msg);
	while (await_turn(v))
		while (run_guest(v))
			;
	return NULL;
}

/* They inherit a mask without any signal but the kick: all others are the loop's. */
static int make_threads(struct vcpus *all, const pthread_attr_t *attributes, struct error *err)
{
	for (uint32_t i = 0; i < all->count; i++) {
		struct vcpu *v = &all->vcpus[i];
		int r = pthread_create(&v->thread, attributes, run_vcpu, v);

		if (r)
			return error_sys(err, r, "start vcpu %u", i);
		v->has_thread = true;
	}
	return 0;
}

int vcpus_start(struct vcpus *all, struct error *err)
{
	pthread_attr_t attributes;
	sigset_t mask, old;
	int r;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	sigfillset(&mask);
	sigdelset(&mask, KICK_SIGNAL);
	pthread_sigmask(SIG_SETMASK, &mask, &old);
	r = make_threads(all, &attributes, err);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attributes);
	return r;
}

void vcpus_pause(struct vcpus *all)
{
	set_wish(all, WISH_PAUSED);
}

void vcpus_resume(struct vcpus *all)
{
	set_wish(all, WISH_RUNNING);
}

int vcpus_save(const struct vcpus *all, const struct kvm *kvm, uint32_t index, struct strbuf *out,
	       struct error *err)
{
	int r = arch_save_vcpu(kvm, all->vcpus[index].fd, out, err);

	return r < 0 ? error_wrap(err, r, "vcpu %u", index) : 0;
}

int vcpus_restore(struct vcpus *all, uint32_t index, const void *data, size_t len,
		  struct error *err)
{
	int r = arch_restore_vcpu(all->vcpus[index].fd, data, len, err);

	return r < 0 ? error_wrap(err, r, "vcpu %u", index) : 0;
}

void vcpus_exits(const struct vcpus *all, uint64_t ret[static HV_EXIT_COUNT])
{
	for (size_t kind = 0; kind < HV_EXIT_COUNT; kind++) {
		ret[kind] = 0;
		for (uint32_t i = 0; i < all->count; i++)
			ret[kind] += atomic_load_explicit(&all->vcpus[i].exits[kind],
							  memory_order_relaxed);
	}
}
