BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0014');
CREATE TABLE artifact (
	id INTEGER NOT NULL, 
	search_id VARCHAR(64) NOT NULL, 
	"key" VARCHAR(64) NOT NULL, 
	trial_number INTEGER, 
	name VARCHAR(255) NOT NULL, 
	media_type VARCHAR(100) NOT NULL, 
	num_bytes BIGINT NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_artifact PRIMARY KEY (id), 
	CONSTRAINT fk_artifact_search_id FOREIGN KEY(search_id) REFERENCES search (id) ON DELETE CASCADE
);
INSERT INTO "artifact" VALUES(1,'s1','abababababababababababababababababababababababababababababababab',1,'worker.log','text/plain',12,'2026-03-01 09:30:05.250000');
CREATE TABLE attempt (
	job_id VARCHAR(160) NOT NULL, 
	number INTEGER NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	worker VARCHAR(255) NOT NULL, 
	started_at DATETIME NOT NULL, 
	finished_at DATETIME, 
	failure JSON, failure_reason VARCHAR(32), seconds FLOAT, search_id VARCHAR(64) DEFAULT '' NOT NULL, log_bytes BIGINT DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_attempt PRIMARY KEY (job_id, number), 
	CONSTRAINT fk_attempt_job_id FOREIGN KEY(job_id) REFERENCES job (id) ON DELETE CASCADE
);
INSERT INTO "attempt" VALUES('s1.1.proxy.3e9',1,'completed','worker-1','2026-03-01 09:30:11.250000','2026-03-01 09:30:12.250000',NULL,NULL,1.0,'s1',0);
INSERT INTO "attempt" VALUES('s1.4.proxy.3ec',1,'failed','worker-1','2026-03-01 09:30:11.250000','2026-03-01 09:30:15.250000','{"reason": "diverged", "message": "loss is nan at step 3", "traceback": "Traceback: ...", "kind": "model"}','diverged',4.0,'s1',12);
INSERT INTO "attempt" VALUES('s1.6.proxy.3ee',1,'completed','worker-1','2026-03-01 09:30:11.250000','2026-03-01 09:30:18.250000',NULL,NULL,7.0,'s1',0);
INSERT INTO "attempt" VALUES('s1.1.reevaluate.7',1,'completed','worker-1','2026-03-01 09:30:21.250000','2026-03-01 09:30:22.250000',NULL,NULL,1.0,'s1',0);
INSERT INTO "attempt" VALUES('s1.7.proxy.3ef',1,'running','worker-1','2026-03-01 09:30:11.250000',NULL,NULL,NULL,NULL,'s1',65543);
INSERT INTO "attempt" VALUES('s1.8.proxy.3f0',1,'running','worker-2','2026-03-01 09:31:21.250000',NULL,NULL,NULL,NULL,'s1',0);
INSERT INTO "attempt" VALUES('s1.1.full_train.15',1,'completed','worker-2','2026-03-01 09:32:23.250000','2026-03-01 09:32:30.250000',NULL,NULL,7.0,'s1',0);
INSERT INTO "attempt" VALUES('s3.1.latency.1f',1,'completed','worker-1','2026-03-01 09:33:22.250000','2026-03-01 09:33:23.250000',NULL,NULL,1.0,'s3',0);
INSERT INTO "attempt" VALUES('s3.2.latency.20',1,'failed','worker-2','2026-03-01 09:33:22.250000','2026-03-01 09:33:25.250000','{"reason": "unfit_device", "message": "the device was slower than it can be in 4 of 6 rounds", "traceback": "", "kind": "infrastructure"}','unfit_device',3.0,'s3',0);
INSERT INTO "attempt" VALUES('s3.3.proxy.21',1,'running','worker-1','2026-03-01 09:33:24.250000',NULL,NULL,NULL,NULL,'s3',0);
INSERT INTO "attempt" VALUES('s3.4.latency.22',1,'running','worker-2','2026-03-01 09:33:26.250000',NULL,NULL,NULL,NULL,'s3',0);
CREATE TABLE heartbeat (
	name VARCHAR(255) NOT NULL, 
	role VARCHAR(16) NOT NULL, 
	search_id VARCHAR(64), 
	at DATETIME NOT NULL, 
	numbers JSON NOT NULL, 
	CONSTRAINT pk_heartbeat PRIMARY KEY (name)
);
INSERT INTO "heartbeat" VALUES('search:s1','search','s1','2026-03-01 09:31:00.250000','{"turns": 3.0, "turn_seconds": 1.5}');
CREATE TABLE insight (
	search_id VARCHAR(64) NOT NULL, 
	sequence BIGINT NOT NULL, 
	document JSON NOT NULL, 
	written_at DATETIME NOT NULL, 
	CONSTRAINT pk_insight PRIMARY KEY (search_id), 
	CONSTRAINT fk_insight_search_id FOREIGN KEY(search_id) REFERENCES search (id) ON DELETE CASCADE
);
INSERT INTO "insight" VALUES('s1',28,'{"format": 1, "sequence": 28, "course": {"best": 0.25, "last": [0.125, 0.25]}}','2026-03-01 09:31:40.250000');
CREATE TABLE job (
	id VARCHAR(160) NOT NULL, 
	position INTEGER NOT NULL, 
	search_id VARCHAR(64) NOT NULL, 
	trial_number INTEGER NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	seed BIGINT NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	num_attempts INTEGER NOT NULL, 
	created_at DATETIME NOT NULL, 
	finished_at DATETIME, 
	average_precision FLOAT, 
	evaluation JSON, 
	failure JSON, checkpoint_step INTEGER, checkpoint_key VARCHAR(64), checkpoint_num_bytes BIGINT, num_steps INTEGER, 
	CONSTRAINT pk_job PRIMARY KEY (id), 
	CONSTRAINT fk_job_search_id FOREIGN KEY(search_id, trial_number) REFERENCES trial (search_id, number) ON DELETE CASCADE
);
INSERT INTO "job" VALUES('s1.1.proxy.3e9',1,'s1',1,'proxy',1001,'completed',1,'2026-03-01 09:30:10.250000','2026-03-01 09:30:12.250000',0.25,'{"average_precision": 0.25, "losses": [[1, 2.5], [2, 1.5]], "device": "cpu"}',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "job" VALUES('s1.4.proxy.3ec',2,'s1',4,'proxy',1004,'failed',1,'2026-03-01 09:30:10.250000','2026-03-01 09:30:15.250000',NULL,NULL,'{"reason": "diverged", "message": "loss is nan at step 3", "traceback": "Traceback: ...", "kind": "model"}',NULL,NULL,NULL,NULL);
INSERT INTO "job" VALUES('s1.6.proxy.3ee',3,'s1',6,'proxy',1006,'completed',1,'2026-03-01 09:30:10.250000','2026-03-01 09:30:18.250000',0.0625,'{"average_precision": 0.0625, "losses": [[1, 2.5], [2, 1.5]], "device": "cpu", "stopped_at_step": 50}',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "job" VALUES('s1.1.reevaluate.7',4,'s1',1,'reevaluate',7,'completed',1,'2026-03-01 09:30:20.250000','2026-03-01 09:30:22.250000',0.375,'{"average_precision": 0.375, "losses": [[1, 2.5], [2, 1.5]], "device": "cpu"}',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "job" VALUES('s1.7.proxy.3ef',5,'s1',7,'proxy',1007,'running',1,'2026-03-01 09:30:10.250000',NULL,NULL,NULL,NULL,30,'000000000000000000000000000000000000000000000000000000000000001e',8589934622,NULL);
INSERT INTO "job" VALUES('s1.8.proxy.3f0',6,'s1',8,'proxy',1008,'running',1,'2026-03-01 09:31:21.250000',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "job" VALUES('s1.1.full_train.15',7,'s1',1,'full_train',21,'completed',1,'2026-03-01 09:32:22.250000','2026-03-01 09:32:30.250000',0.5,'{"average_precision": 0.5, "losses": [[1, 2.5], [2, 1.5]], "device": "cpu"}',NULL,NULL,NULL,NULL,600);
INSERT INTO "job" VALUES('s1.1.full_train.16',8,'s1',1,'full_train',22,'queued',0,'2026-03-01 09:32:22.250000',NULL,NULL,NULL,NULL,NULL,NULL,NULL,600);
INSERT INTO "job" VALUES('s3.1.latency.1f',1,'s3',1,'latency',31,'completed',1,'2026-03-01 09:33:22.250000','2026-03-01 09:33:23.250000',NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "job" VALUES('s3.2.latency.20',2,'s3',2,'latency',32,'failed',1,'2026-03-01 09:33:22.250000','2026-03-01 09:33:25.250000',NULL,NULL,'{"reason": "unfit_device", "message": "the device was slower than it can be in 4 of 6 rounds", "traceback": "", "kind": "infrastructure"}',NULL,NULL,NULL,NULL);
INSERT INTO "job" VALUES('s3.1.proxy.1f',3,'s3',1,'proxy',31,'queued',0,'2026-03-01 09:33:23.250000',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "job" VALUES('s3.3.proxy.21',4,'s3',3,'proxy',33,'running',1,'2026-03-01 09:33:24.250000',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "job" VALUES('s3.4.latency.22',5,'s3',4,'latency',34,'running',1,'2026-03-01 09:33:26.250000',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE ledger (
	search_id VARCHAR(64) NOT NULL, 
	sequence BIGINT NOT NULL, 
	kind VARCHAR(32) NOT NULL, 
	trial_number INTEGER, 
	payload JSON NOT NULL, 
	at DATETIME NOT NULL, 
	CONSTRAINT pk_ledger PRIMARY KEY (search_id, sequence), 
	CONSTRAINT fk_ledger_search_id FOREIGN KEY(search_id) REFERENCES search (id) ON DELETE CASCADE
);
INSERT INTO "ledger" VALUES('s1',1,'search.state',NULL,'{"state": "pending", "reason": ""}','2026-03-01 09:30:00.250000');
INSERT INTO "ledger" VALUES('s1',2,'search.state',NULL,'{"state": "running", "reason": ""}','2026-03-01 09:30:01.250000');
INSERT INTO "ledger" VALUES('s1',3,'trial.created',1,'{"arm": "policy", "name": "", "genotype": [1, 0, 2], "log_probs": [-0.5, -1.25, 0.0], "fingerprint": "f1", "multiply_adds": 22, "parameters": 11}','2026-03-01 09:30:10.250000');
INSERT INTO "ledger" VALUES('s1',4,'trial.started',1,'{}','2026-03-01 09:30:11.250000');
INSERT INTO "ledger" VALUES('s1',5,'trial.measured',1,'{"step": 25, "num_steps": 100, "loss": 1.5, "average_precision": 0.0625, "seconds": 12.5}','2026-03-01 09:30:11.750000');
INSERT INTO "ledger" VALUES('s1',6,'trial.measured',1,'{"step": 50, "num_steps": 100, "loss": 1.5, "average_precision": 0.125, "seconds": 25.0}','2026-03-01 09:30:11.750000');
INSERT INTO "ledger" VALUES('s1',7,'trial.finished',1,'{"state": "completed", "reward": 0.25, "average_precision": 0.25, "failure": "", "consumed": true, "reused_from": null, "failure_reason": null, "stopped_at_step": null}','2026-03-01 09:30:12.250000');
INSERT INTO "ledger" VALUES('s1',8,'trial.created',2,'{"arm": "policy", "name": "", "genotype": [2, 0, 2], "log_probs": [-0.5, -1.25, 0.0], "fingerprint": "f2", "multiply_adds": 22, "parameters": 11}','2026-03-01 09:30:13.250000');
INSERT INTO "ledger" VALUES('s1',9,'trial.finished',2,'{"state": "infeasible", "reward": null, "average_precision": null, "failure": "too large", "consumed": true, "reused_from": null, "failure_reason": null, "stopped_at_step": null}','2026-03-01 09:30:13.250000');
INSERT INTO "ledger" VALUES('s1',10,'trial.created',3,'{"arm": "reference", "name": "spinenet-49", "genotype": [], "log_probs": [], "fingerprint": "f3", "multiply_adds": 22, "parameters": 11}','2026-03-01 09:30:14.250000');
INSERT INTO "ledger" VALUES('s1',11,'trial.created',4,'{"arm": "policy", "name": "", "genotype": [4, 0, 2], "log_probs": [-0.5, -1.25, 0.0], "fingerprint": "f4", "multiply_adds": 22, "parameters": 11}','2026-03-01 09:30:10.250000');
INSERT INTO "ledger" VALUES('s1',12,'trial.started',4,'{}','2026-03-01 09:30:11.250000');
INSERT INTO "ledger" VALUES('s1',13,'trial.finished',4,'{"state": "failed", "reward": null, "average_precision": null, "failure": "loss is nan at step 3", "consumed": true, "reused_from": null, "failure_reason": "diverged", "stopped_at_step": null}','2026-03-01 09:30:15.250000');
INSERT INTO "ledger" VALUES('s1',14,'trial.created',5,'{"arm": "policy", "name": "", "genotype": [5, 0, 2], "log_probs": [-0.5, -1.25, 0.0], "fingerprint": "f1", "multiply_adds": 22, "parameters": 11}','2026-03-01 09:30:16.250000');
INSERT INTO "ledger" VALUES('s1',15,'trial.finished',5,'{"state": "completed", "reward": 0.25, "average_precision": 0.25, "failure": "", "consumed": true, "reused_from": {"search": "s1", "trial": 1}, "failure_reason": null, "stopped_at_step": null}','2026-03-01 09:30:16.250000');
INSERT INTO "ledger" VALUES('s1',16,'trial.created',6,'{"arm": "policy", "name": "", "genotype": [6, 0, 2], "log_probs": [-0.5, -1.25, 0.0], "fingerprint": "f6", "multiply_adds": 22, "parameters": 11}','2026-03-01 09:30:10.250000');
INSERT INTO "ledger" VALUES('s1',17,'trial.started',6,'{}','2026-03-01 09:30:11.250000');
INSERT INTO "ledger" VALUES('s1',18,'trial.measured',6,'{"step": 25, "num_steps": 100, "loss": 1.5, "average_precision": 0.03125, "seconds": 12.5}','2026-03-01 09:30:17.250000');
INSERT INTO "ledger" VALUES('s1',19,'trial.finished',6,'{"state": "stopped_early", "reward": 0.0625, "average_precision": 0.0625, "failure": "", "consumed": true, "reused_from": null, "failure_reason": null, "stopped_at_step": 50}','2026-03-01 09:30:18.250000');
INSERT INTO "ledger" VALUES('s1',20,'job.finished',1,'{"job_id": "s1.1.reevaluate.7", "kind": "reevaluate", "state": "completed", "average_precision": 0.375, "val_average_precision": 0.375, "val_standard_error": null, "val_count": 1}','2026-03-01 09:30:22.250000');
INSERT INTO "ledger" VALUES('s1',21,'trial.created',7,'{"arm": "policy", "name": "", "genotype": [7, 0, 2], "log_probs": [-0.5, -1.25, 0.0], "fingerprint": "f7", "multiply_adds": 22, "parameters": 11}','2026-03-01 09:30:10.250000');
INSERT INTO "ledger" VALUES('s1',22,'trial.started',7,'{}','2026-03-01 09:30:11.250000');
INSERT INTO "ledger" VALUES('s1',23,'trial.measured',7,'{"step": 25, "num_steps": 100, "loss": 1.5, "average_precision": 0.09375, "seconds": 12.5}','2026-03-01 09:30:23.250000');
INSERT INTO "ledger" VALUES('s1',24,'search.edited',NULL,'{"name": "red cells", "notes": "from the hospital", "limits": {"trials": 30, "gpu_hours": null, "cost": null, "plateau": null, "concurrent_trials": null}}','2026-03-01 09:31:10.250000');
INSERT INTO "ledger" VALUES('s1',25,'request.created',NULL,'{"request": 1, "verb": "enqueue", "name": "", "source": {"search": "s2", "trial": 3}}','2026-03-01 09:31:11.250000');
INSERT INTO "ledger" VALUES('s1',26,'request.created',NULL,'{"request": 2, "verb": "stop", "name": "", "source": {"search": "s1", "trial": 7}}','2026-03-01 09:31:11.250000');
INSERT INTO "ledger" VALUES('s1',27,'trial.created',8,'{"arm": "enqueued", "name": "", "genotype": [8, 0, 2], "log_probs": [0.0, 0.0, 0.0], "fingerprint": "f8", "multiply_adds": 22, "parameters": 11}','2026-03-01 09:31:21.250000');
INSERT INTO "ledger" VALUES('s1',28,'trial.started',8,'{}','2026-03-01 09:31:21.250000');
INSERT INTO "ledger" VALUES('s2',1,'search.state',NULL,'{"state": "pending", "reason": ""}','2026-03-01 09:31:30.250000');
INSERT INTO "ledger" VALUES('s2',2,'search.state',NULL,'{"state": "cancelled", "reason": "cancelled by the user"}','2026-03-01 09:31:31.250000');
INSERT INTO "ledger" VALUES('s2',3,'search.edited',NULL,'{"archived": true}','2026-03-01 09:31:32.250000');
INSERT INTO "ledger" VALUES('s1',29,'request.created',NULL,'{"request": 3, "verb": "promote", "name": "", "source": {"search": "s1", "trial": 1}}','2026-03-01 09:32:21.250000');
INSERT INTO "ledger" VALUES('s1',30,'request.closed',NULL,'{"request": 3, "state": "done", "reason": ""}','2026-03-01 09:32:22.250000');
INSERT INTO "ledger" VALUES('s1',31,'job.finished',1,'{"job_id": "s1.1.full_train.15", "kind": "full_train", "state": "completed", "average_precision": 0.5, "val_average_precision": 0.375, "val_standard_error": null, "val_count": 1}','2026-03-01 09:32:30.250000');
INSERT INTO "ledger" VALUES('s1',32,'request.created',NULL,'{"request": 4, "verb": "promote", "name": "", "source": {"search": "s1", "trial": 1}}','2026-03-01 09:32:31.250000');
INSERT INTO "ledger" VALUES('s3',1,'search.state',NULL,'{"state": "pending", "reason": ""}','2026-03-01 09:33:20.250000');
INSERT INTO "ledger" VALUES('s3',2,'search.state',NULL,'{"state": "running", "reason": ""}','2026-03-01 09:33:21.250000');
INSERT INTO "ledger" VALUES('s3',3,'trial.created',1,'{"arm": "policy", "name": "", "genotype": [1, 0, 2], "log_probs": [-0.5, -1.25, 0.0], "fingerprint": "f1", "multiply_adds": 22, "parameters": 11}','2026-03-01 09:33:22.250000');
INSERT INTO "ledger" VALUES('s3',4,'trial.started',1,'{}','2026-03-01 09:33:22.250000');
INSERT INTO "ledger" VALUES('s3',5,'trial.created',2,'{"arm": "policy", "name": "", "genotype": [2, 0, 2], "log_probs": [-0.5, -1.25, 0.0], "fingerprint": "f2", "multiply_adds": 22, "parameters": 11}','2026-03-01 09:33:22.250000');
INSERT INTO "ledger" VALUES('s3',6,'trial.started',2,'{}','2026-03-01 09:33:22.250000');
INSERT INTO "ledger" VALUES('s3',7,'trial.timed',1,'{"latency": {"median_ms": 12.5, "interval_ms": [9.375, 15.625], "rounds": 6, "discarded": 0, "device": {"device": "cpu (fp32)", "processor": "Example 9000", "threads": 1, "precision": "fp32", "torch": "2.14"}}, "reused_from": null}','2026-03-01 09:33:23.250000');
INSERT INTO "ledger" VALUES('s3',8,'trial.created',3,'{"arm": "policy", "name": "", "genotype": [3, 0, 2], "log_probs": [-0.5, -1.25, 0.0], "fingerprint": "f1", "multiply_adds": 22, "parameters": 11}','2026-03-01 09:33:24.250000');
INSERT INTO "ledger" VALUES('s3',9,'trial.timed',3,'{"latency": {"median_ms": 12.5, "interval_ms": [9.375, 15.625], "rounds": 6, "discarded": 0, "device": {"device": "cpu (fp32)", "processor": "Example 9000", "threads": 1, "precision": "fp32", "torch": "2.14"}}, "reused_from": {"search": "s3", "trial": 1}}','2026-03-01 09:33:24.250000');
INSERT INTO "ledger" VALUES('s3',10,'trial.started',3,'{}','2026-03-01 09:33:24.250000');
INSERT INTO "ledger" VALUES('s3',11,'trial.finished',2,'{"state": "failed", "reward": null, "average_precision": null, "failure": "the device was slower than it can be in 4 of 6 rounds", "failure_reason": "unfit_device", "stopped_at_step": null, "consumed": false, "reused_from": null}','2026-03-01 09:33:25.250000');
INSERT INTO "ledger" VALUES('s3',12,'trial.created',4,'{"arm": "policy", "name": "", "genotype": [4, 0, 2], "log_probs": [-0.5, -1.25, 0.0], "fingerprint": "f4", "multiply_adds": 22, "parameters": 11}','2026-03-01 09:33:26.250000');
INSERT INTO "ledger" VALUES('s3',13,'trial.started',4,'{}','2026-03-01 09:33:26.250000');
CREATE TABLE log_part (
	job_id VARCHAR(160) NOT NULL, 
	attempt_number INTEGER NOT NULL, 
	start BIGINT NOT NULL, 
	num_bytes INTEGER NOT NULL, 
	"key" VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_log_part PRIMARY KEY (job_id, attempt_number, start), 
	CONSTRAINT fk_log_part_job_id FOREIGN KEY(job_id, attempt_number) REFERENCES attempt (job_id, number) ON DELETE CASCADE
);
INSERT INTO "log_part" VALUES('s1.7.proxy.3ef',1,0,65536,'0000000000000000000000000000000000000000000000000000000000010000');
INSERT INTO "log_part" VALUES('s1.7.proxy.3ef',1,65536,7,'0000000000000000000000000001000000000000000000000000000000000007');
INSERT INTO "log_part" VALUES('s1.4.proxy.3ec',1,0,12,'000000000000000000000000000000000000000000000000000000000000000c');
CREATE TABLE measurement (
	search_id VARCHAR(64) NOT NULL, 
	trial_number INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	num_steps INTEGER NOT NULL, 
	loss FLOAT NOT NULL, 
	average_precision FLOAT NOT NULL, 
	seconds FLOAT NOT NULL, 
	sequence BIGINT NOT NULL, 
	CONSTRAINT pk_measurement PRIMARY KEY (search_id, trial_number, step), 
	CONSTRAINT fk_measurement_search_id FOREIGN KEY(search_id, trial_number) REFERENCES trial (search_id, number) ON DELETE CASCADE
);
INSERT INTO "measurement" VALUES('s1',1,25,100,1.5,0.0625,12.5,5);
INSERT INTO "measurement" VALUES('s1',1,50,100,1.5,0.125,25.0,6);
INSERT INTO "measurement" VALUES('s1',6,25,100,1.5,0.03125,12.5,18);
INSERT INTO "measurement" VALUES('s1',7,25,100,1.5,0.09375,12.5,23);
CREATE TABLE operation (
	id VARCHAR(32) NOT NULL, 
	kind VARCHAR(32) NOT NULL, 
	document JSON NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	created_at DATETIME NOT NULL, 
	finished_at DATETIME, 
	problem TEXT NOT NULL, 
	result_key VARCHAR(64), 
	result_num_bytes BIGINT, 
	num_attempts INTEGER NOT NULL, 
	lease_owner VARCHAR(255) NOT NULL, 
	lease_token BIGINT NOT NULL, 
	lease_expires_at DATETIME, 
	CONSTRAINT pk_operation PRIMARY KEY (id)
);
INSERT INTO "operation" VALUES('6f723288b0f974710208bd69a94dd47f','export.onnx','{"spec": {"name": "n1", "alpha": 0.5}, "target": {"image_size": [640, 512], "width_scale": 1.0}}','succeeded','2026-03-01 09:30:01.250000','2026-03-01 09:30:20.250000','','0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e',3000000000,1,'daemon',1,'2026-03-01 09:31:10.250000');
INSERT INTO "operation" VALUES('92251dd1d451add3242b1ae68c54bb79','export.onnx','{"spec": {"name": "n2", "alpha": 0.5}, "target": {"image_size": [640, 512], "width_scale": 1.0}}','failed','2026-03-01 09:30:02.250000','2026-03-01 09:30:30.250000','no room',NULL,NULL,1,'daemon',1,'2026-03-01 09:31:21.250000');
INSERT INTO "operation" VALUES('245b7439c72ff36e2cec9933b7dc2d93','export.onnx','{"spec": {"name": "n3", "alpha": 0.5}, "target": {"image_size": [640, 512], "width_scale": 1.0}}','running','2026-03-01 09:30:03.250000',NULL,'killed',NULL,NULL,1,'daemon',1,'2026-03-01 09:31:31.250000');
INSERT INTO "operation" VALUES('24cc91219ae5aea40656cb5846121c73','export.onnx','{"spec": {"name": "n4", "alpha": 0.5}, "target": {"image_size": [640, 512], "width_scale": 1.0}}','pending','2026-03-01 09:30:04.250000',NULL,'',NULL,NULL,0,'',0,NULL);
CREATE TABLE search (
	id VARCHAR(64) NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	config JSON NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	reason TEXT NOT NULL, 
	created_at DATETIME NOT NULL, 
	started_at DATETIME, 
	finished_at DATETIME, 
	last_sequence BIGINT NOT NULL, 
	idempotency_key VARCHAR(255), 
	lease_owner VARCHAR(255) NOT NULL, 
	lease_token BIGINT NOT NULL, 
	lease_expires_at DATETIME, notes TEXT DEFAULT '' NOT NULL, cloned_from VARCHAR(64), archived_at DATETIME, first_config JSON, 
	CONSTRAINT pk_search PRIMARY KEY (id), 
	CONSTRAINT uq_search_idempotency_key UNIQUE (idempotency_key)
);
INSERT INTO "search" VALUES('s1','red cells','{"space": "spinenet-49", "limits": {"trials": 30, "gpu_hours": null, "cost": null, "plateau": null, "concurrent_trials": null}, "tolerance": 0.05, "budget": null, "proxy": {"steps": 100, "measure_at": [0.25, 0.5]}, "duplicates": {"policy": "reuse"}, "early_stopping": {"rule": "median", "at": [0.25, 0.5], "eta": 3.0, "min_trials": 5}, "attempts": {"checkpoint_seconds": 60.0, "time_limit_minutes": null}, "price": null, "warm_start": null}','running','','2026-03-01 09:30:00.250000','2026-03-01 09:30:01.250000',NULL,32,'key','controller',4,'2026-03-01 09:33:20.250000','from the hospital',NULL,NULL,'{"space": "spinenet-49", "limits": {"trials": 20, "gpu_hours": null, "cost": null, "plateau": null, "concurrent_trials": null}, "tolerance": 0.05, "budget": null, "proxy": {"steps": 100, "measure_at": [0.25, 0.5]}, "duplicates": {"policy": "reuse"}, "early_stopping": {"rule": "median", "at": [0.25, 0.5], "eta": 3.0, "min_trials": 5}, "attempts": {"checkpoint_seconds": 60.0, "time_limit_minutes": null}, "price": null, "warm_start": null}');
INSERT INTO "search" VALUES('s2','red cells','{"space": "spinenet-49", "limits": {"trials": 30, "gpu_hours": null, "cost": null, "plateau": null, "concurrent_trials": null}, "tolerance": 0.05, "budget": null, "proxy": {"steps": 100, "measure_at": [0.25, 0.5]}, "duplicates": {"policy": "reuse"}, "early_stopping": {"rule": "median", "at": [0.25, 0.5], "eta": 3.0, "min_trials": 5}, "attempts": {"checkpoint_seconds": 60.0, "time_limit_minutes": null}, "price": null, "warm_start": null}','cancelled','cancelled by the user','2026-03-01 09:31:30.250000',NULL,'2026-03-01 09:31:31.250000',3,NULL,'',0,NULL,'','s1','2026-03-01 09:31:32.250000','{"space": "spinenet-49", "limits": {"trials": 30, "gpu_hours": null, "cost": null, "plateau": null, "concurrent_trials": null}, "tolerance": 0.05, "budget": null, "proxy": {"steps": 100, "measure_at": [0.25, 0.5]}, "duplicates": {"policy": "reuse"}, "early_stopping": {"rule": "median", "at": [0.25, 0.5], "eta": 3.0, "min_trials": 5}, "attempts": {"checkpoint_seconds": 60.0, "time_limit_minutes": null}, "price": null, "warm_start": null}');
INSERT INTO "search" VALUES('s3','timed','{"space": "spinenet-49", "limits": {"trials": 20}, "tolerance": 0.05, "budget": null, "latency": {"rounds": 6}}','running','','2026-03-01 09:33:20.250000','2026-03-01 09:33:21.250000',NULL,13,NULL,'controller',1,'2026-03-01 09:34:21.250000','',NULL,NULL,NULL);
CREATE TABLE snapshot (
	search_id VARCHAR(64) NOT NULL, 
	sequence BIGINT NOT NULL, 
	state_sha256 VARCHAR(64) NOT NULL, 
	versions JSON NOT NULL, 
	artifact_key VARCHAR(64), 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_snapshot PRIMARY KEY (search_id, sequence), 
	CONSTRAINT fk_snapshot_search_id FOREIGN KEY(search_id) REFERENCES search (id) ON DELETE CASCADE
);
INSERT INTO "snapshot" VALUES('s1',4,'0000000000000000000000000000000000000000000000000000000000000004','{"spinesearch": "0.1.0", "cpu": "Example 9000 @ 2.5 GHz"}',NULL,'2026-03-01 09:30:04.250000');
INSERT INTO "snapshot" VALUES('s1',9,'0000000000000000000000000000000000000000000000000000000000000009','{"spinesearch": "0.1.0", "cpu": "Example 9000 @ 2.5 GHz"}','0000000000000000000000000000000000000000000000000000000000001009','2026-03-01 09:30:09.250000');
INSERT INTO "snapshot" VALUES('s1',15,'000000000000000000000000000000000000000000000000000000000000000f','{"spinesearch": "0.1.0", "cpu": "Example 9000 @ 2.5 GHz"}','000000000000000000000000000000000000000000000000000000000000100f','2026-03-01 09:30:15.250000');
INSERT INTO "snapshot" VALUES('s1',19,'0000000000000000000000000000000000000000000000000000000000000013','{"spinesearch": "0.1.0", "cpu": "Example 9000 @ 2.5 GHz"}','0000000000000000000000000000000000000000000000000000000000001013','2026-03-01 09:30:19.250000');
CREATE TABLE token (
	id VARCHAR(32) NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	secret_sha256 VARCHAR(64) NOT NULL, 
	scope VARCHAR(16) NOT NULL, 
	created_at DATETIME NOT NULL, 
	expires_at DATETIME, 
	revoked_at DATETIME, 
	last_used_on DATE, 
	CONSTRAINT pk_token PRIMARY KEY (id), 
	CONSTRAINT uq_token_secret_sha256 UNIQUE (secret_sha256)
);
INSERT INTO "token" VALUES('t1','a laptop','0000000000000000000000000000000000000000000000000000000000000001','write','2026-03-01 09:30:01.250000','2026-03-02 09:30:00.250000',NULL,'2026-03-01');
INSERT INTO "token" VALUES('t2','a colleague','0000000000000000000000000000000000000000000000000000000000000002','read','2026-03-01 09:30:02.250000',NULL,'2026-03-01 09:32:00.250000',NULL);
CREATE TABLE trial (
	search_id VARCHAR(64) NOT NULL, 
	number INTEGER NOT NULL, 
	arm VARCHAR(32) NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	fingerprint VARCHAR(64) NOT NULL, 
	draft JSON NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	reward FLOAT, 
	average_precision FLOAT, 
	val_average_precision FLOAT, 
	val_standard_error FLOAT, 
	val_count INTEGER NOT NULL, 
	failure TEXT NOT NULL, 
	created_at DATETIME NOT NULL, 
	started_at DATETIME, 
	finished_at DATETIME, measurement_key VARCHAR(64), reused_search_id VARCHAR(64), reused_number INTEGER, failure_reason VARCHAR(32), seconds FLOAT, multiply_adds BIGINT DEFAULT '0' NOT NULL, parameters BIGINT DEFAULT '0' NOT NULL, summary JSON DEFAULT '{}' NOT NULL, latency JSON, 
	CONSTRAINT pk_trial PRIMARY KEY (search_id, number), 
	CONSTRAINT fk_trial_search_id FOREIGN KEY(search_id) REFERENCES search (id) ON DELETE CASCADE
);
INSERT INTO "trial" VALUES('s1',1,'policy','','f1','{"spec": {"name": "n1", "blocks": [{"level": 4, "parents": [0, 1]}], "alpha": 0.5}, "target_cost": {"backbone_parameters": 11, "backbone_multiply_adds": 22, "detector_parameters": 33, "detector_multiply_adds": 85281555200}, "proxy_cost": {"backbone_parameters": 1, "backbone_multiply_adds": 2, "detector_parameters": 3, "detector_multiply_adds": 4}, "num_dead_blocks": 1, "genotype": [1, 0, 2], "log_probs": [-0.5, -1.25, 0.0], "parents": [1, 2], "edits": ["swap 3 and 4"], "infeasible_reason": ""}','completed',0.25,0.25,0.375,NULL,1,'','2026-03-01 09:30:10.250000','2026-03-01 09:30:11.250000','2026-03-01 09:30:12.250000','a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1',NULL,NULL,NULL,1.0,22,11,'{"num_dead_blocks": 1, "target_cost": {"backbone_parameters": 11, "backbone_multiply_adds": 22, "detector_parameters": 33, "detector_multiply_adds": 85281555200}, "proxy_cost": {"backbone_parameters": 1, "backbone_multiply_adds": 2, "detector_parameters": 3, "detector_multiply_adds": 4}, "source": null}',NULL);
INSERT INTO "trial" VALUES('s1',2,'policy','','f2','{"spec": {"name": "n2", "blocks": [{"level": 4, "parents": [0, 1]}], "alpha": 0.5}, "target_cost": {"backbone_parameters": 11, "backbone_multiply_adds": 22, "detector_parameters": 33, "detector_multiply_adds": 85281555200}, "proxy_cost": {"backbone_parameters": 1, "backbone_multiply_adds": 2, "detector_parameters": 3, "detector_multiply_adds": 4}, "num_dead_blocks": 2, "genotype": [2, 0, 2], "log_probs": [-0.5, -1.25, 0.0], "parents": [1, 2], "edits": ["swap 3 and 4"], "infeasible_reason": "too large"}','infeasible',NULL,NULL,NULL,NULL,0,'too large','2026-03-01 09:30:13.250000',NULL,'2026-03-01 09:30:13.250000','a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1',NULL,NULL,NULL,NULL,22,11,'{"num_dead_blocks": 2, "target_cost": {"backbone_parameters": 11, "backbone_multiply_adds": 22, "detector_parameters": 33, "detector_multiply_adds": 85281555200}, "proxy_cost": {"backbone_parameters": 1, "backbone_multiply_adds": 2, "detector_parameters": 3, "detector_multiply_adds": 4}, "source": null}',NULL);
INSERT INTO "trial" VALUES('s1',3,'reference','spinenet-49','f3','{"spec": {"name": "n3", "blocks": [{"level": 4, "parents": [0, 1]}], "alpha": 0.5}, "target_cost": {"backbone_parameters": 11, "backbone_multiply_adds": 22, "detector_parameters": 33, "detector_multiply_adds": 85281555200}, "proxy_cost": {"backbone_parameters": 1, "backbone_multiply_adds": 2, "detector_parameters": 3, "detector_multiply_adds": 4}, "num_dead_blocks": 0, "genotype": [], "log_probs": [], "parents": [], "edits": [], "infeasible_reason": ""}','completed',NULL,NULL,NULL,NULL,0,'','2026-03-01 09:30:14.250000',NULL,'2026-03-01 09:30:14.250000',NULL,NULL,NULL,NULL,NULL,22,11,'{"num_dead_blocks": 0, "target_cost": {"backbone_parameters": 11, "backbone_multiply_adds": 22, "detector_parameters": 33, "detector_multiply_adds": 85281555200}, "proxy_cost": {"backbone_parameters": 1, "backbone_multiply_adds": 2, "detector_parameters": 3, "detector_multiply_adds": 4}, "source": null}',NULL);
INSERT INTO "trial" VALUES('s1',4,'policy','','f4','{"spec": {"name": "n4", "blocks": [{"level": 4, "parents": [0, 1]}], "alpha": 0.5}, "target_cost": {"backbone_parameters": 11, "backbone_multiply_adds": 22, "detector_parameters": 33, "detector_multiply_adds": 85281555200}, "proxy_cost": {"backbone_parameters": 1, "backbone_multiply_adds": 2, "detector_parameters": 3, "detector_multiply_adds": 4}, "num_dead_blocks": 1, "genotype": [4, 0, 2], "log_probs": [-0.5, -1.25, 0.0], "parents": [1, 2], "edits": ["swap 3 and 4"], "infeasible_reason": ""}','failed',NULL,NULL,NULL,NULL,0,'loss is nan at step 3','2026-03-01 09:30:10.250000','2026-03-01 09:30:11.250000','2026-03-01 09:30:15.250000','a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1',NULL,NULL,'diverged',4.0,22,11,'{"num_dead_blocks": 1, "target_cost": {"backbone_parameters": 11, "backbone_multiply_adds": 22, "detector_parameters": 33, "detector_multiply_adds": 85281555200}, "proxy_cost": {"backbone_parameters": 1, "backbone_multiply_adds": 2, "detector_parameters": 3, "detector_multiply_adds": 4}, "source": null}',NULL);
INSERT INTO "trial" VALUES('s1',5,'policy','','f1','{"spec": {"name": "n5", "blocks": [{"level": 4, "parents": [0, 1]}], "alpha": 0.5}, "target_cost": {"backbone_parameters": 11, "backbone_multiply_adds": 22, "detector_parameters": 33, "detector_multiply_adds": 85281555200}, "proxy_cost": {"backbone_parameters": 1, "backbone_multiply_adds": 2, "detector_parameters": 3, "detector_multiply_adds": 4}, "num_dead_blocks": 2, "genotype": [5, 0, 2], "log_probs": [-0.5, -1.25, 0.0], "parents": [1, 2], "edits": ["swap 3 and 4"], "infeasible_reason": ""}','completed',0.25,0.25,NULL,NULL,0,'','2026-03-01 09:30:16.250000',NULL,'2026-03-01 09:30:16.250000','a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1','s1',1,NULL,NULL,22,11,'{"num_dead_blocks": 2, "target_cost": {"backbone_parameters": 11, "backbone_multiply_adds": 22, "detector_parameters": 33, "detector_multiply_adds": 85281555200}, "proxy_cost": {"backbone_parameters": 1, "backbone_multiply_adds": 2, "detector_parameters": 3, "detector_multiply_adds": 4}, "source": null}',NULL);
INSERT INTO "trial" VALUES('s1',6,'policy','','f6','{"spec": {"name": "n6", "blocks": [{"level": 4, "parents": [0, 1]}], "alpha": 0.5}, "target_cost": {"backbone_parameters": 11, "backbone_multiply_adds": 22, "detector_parameters": 33, "detector_multiply_adds": 85281555200}, "proxy_cost": {"backbone_parameters": 1, "backbone_multiply_adds": 2, "detector_parameters": 3, "detector_multiply_adds": 4}, "num_dead_blocks": 0, "genotype": [6, 0, 2], "log_probs": [-0.5, -1.25, 0.0], "parents": [1, 2], "edits": ["swap 3 and 4"], "infeasible_reason": ""}','stopped_early',0.0625,0.0625,NULL,NULL,0,'','2026-03-01 09:30:10.250000','2026-03-01 09:30:11.250000','2026-03-01 09:30:18.250000','a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1',NULL,NULL,NULL,7.0,22,11,'{"num_dead_blocks": 0, "target_cost": {"backbone_parameters": 11, "backbone_multiply_adds": 22, "detector_parameters": 33, "detector_multiply_adds": 85281555200}, "proxy_cost": {"backbone_parameters": 1, "backbone_multiply_adds": 2, "detector_parameters": 3, "detector_multiply_adds": 4}, "source": null}',NULL);
INSERT INTO "trial" VALUES('s1',7,'policy','','f7','{"spec": {"name": "n7", "blocks": [{"level": 4, "parents": [0, 1]}], "alpha": 0.5}, "target_cost": {"backbone_parameters": 11, "backbone_multiply_adds": 22, "detector_parameters": 33, "detector_multiply_adds": 85281555200}, "proxy_cost": {"backbone_parameters": 1, "backbone_multiply_adds": 2, "detector_parameters": 3, "detector_multiply_adds": 4}, "num_dead_blocks": 1, "genotype": [7, 0, 2], "log_probs": [-0.5, -1.25, 0.0], "parents": [1, 2], "edits": ["swap 3 and 4"], "infeasible_reason": ""}','running',NULL,NULL,NULL,NULL,0,'','2026-03-01 09:30:10.250000','2026-03-01 09:30:11.250000',NULL,'a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1',NULL,NULL,NULL,NULL,22,11,'{"num_dead_blocks": 1, "target_cost": {"backbone_parameters": 11, "backbone_multiply_adds": 22, "detector_parameters": 33, "detector_multiply_adds": 85281555200}, "proxy_cost": {"backbone_parameters": 1, "backbone_multiply_adds": 2, "detector_parameters": 3, "detector_multiply_adds": 4}, "source": null}',NULL);
INSERT INTO "trial" VALUES('s1',8,'enqueued','','f8','{"spec": {"name": "n8", "blocks": [{"level": 4, "parents": [0, 1]}], "alpha": 0.5}, "target_cost": {"backbone_parameters": 11, "backbone_multiply_adds": 22, "detector_parameters": 33, "detector_multiply_adds": 85281555200}, "proxy_cost": {"backbone_parameters": 1, "backbone_multiply_adds": 2, "detector_parameters": 3, "detector_multiply_adds": 4}, "num_dead_blocks": 2, "genotype": [8, 0, 2], "log_probs": [0.0, 0.0, 0.0], "parents": [1, 2], "edits": ["swap 3 and 4"], "infeasible_reason": "", "source": {"search_id": "s2", "number": 3}}','running',NULL,NULL,NULL,NULL,0,'','2026-03-01 09:31:21.250000','2026-03-01 09:31:21.250000',NULL,NULL,NULL,NULL,NULL,NULL,22,11,'{"num_dead_blocks": 2, "target_cost": {"backbone_parameters": 11, "backbone_multiply_adds": 22, "detector_parameters": 33, "detector_multiply_adds": 85281555200}, "proxy_cost": {"backbone_parameters": 1, "backbone_multiply_adds": 2, "detector_parameters": 3, "detector_multiply_adds": 4}, "source": {"search_id": "s2", "number": 3}}',NULL);
INSERT INTO "trial" VALUES('s3',1,'policy','','f1','{"spec": {"name": "n1", "blocks": [{"level": 4, "parents": [0, 1]}], "alpha": 0.5}, "target_cost": {"backbone_parameters": 11, "backbone_multiply_adds": 22, "detector_parameters": 33, "detector_multiply_adds": 85281555200}, "proxy_cost": {"backbone_parameters": 1, "backbone_multiply_adds": 2, "detector_parameters": 3, "detector_multiply_adds": 4}, "num_dead_blocks": 1, "genotype": [1, 0, 2], "log_probs": [-0.5, -1.25, 0.0], "parents": [1, 2], "edits": ["swap 3 and 4"], "infeasible_reason": "", "source": null}','queued',NULL,NULL,NULL,NULL,0,'','2026-03-01 09:33:22.250000','2026-03-01 09:33:22.250000',NULL,NULL,NULL,NULL,NULL,NULL,22,11,'{"num_dead_blocks": 1, "target_cost": {"backbone_parameters": 11, "backbone_multiply_adds": 22, "detector_parameters": 33, "detector_multiply_adds": 85281555200}, "proxy_cost": {"backbone_parameters": 1, "backbone_multiply_adds": 2, "detector_parameters": 3, "detector_multiply_adds": 4}, "source": null}','{"median_ms": 12.5, "interval_ms": [9.375, 15.625], "rounds": 6, "discarded": 0, "device": {"device": "cpu (fp32)", "processor": "Example 9000", "threads": 1, "precision": "fp32", "torch": "2.14"}}');
INSERT INTO "trial" VALUES('s3',2,'policy','','f2','{"spec": {"name": "n2", "blocks": [{"level": 4, "parents": [0, 1]}], "alpha": 0.5}, "target_cost": {"backbone_parameters": 11, "backbone_multiply_adds": 22, "detector_parameters": 33, "detector_multiply_adds": 85281555200}, "proxy_cost": {"backbone_parameters": 1, "backbone_multiply_adds": 2, "detector_parameters": 3, "detector_multiply_adds": 4}, "num_dead_blocks": 2, "genotype": [2, 0, 2], "log_probs": [-0.5, -1.25, 0.0], "parents": [1, 2], "edits": ["swap 3 and 4"], "infeasible_reason": "", "source": null}','failed',NULL,NULL,NULL,NULL,0,'the device was slower than it can be in 4 of 6 rounds','2026-03-01 09:33:22.250000','2026-03-01 09:33:22.250000','2026-03-01 09:33:25.250000',NULL,NULL,NULL,'unfit_device',3.0,22,11,'{"num_dead_blocks": 2, "target_cost": {"backbone_parameters": 11, "backbone_multiply_adds": 22, "detector_parameters": 33, "detector_multiply_adds": 85281555200}, "proxy_cost": {"backbone_parameters": 1, "backbone_multiply_adds": 2, "detector_parameters": 3, "detector_multiply_adds": 4}, "source": null}',NULL);
INSERT INTO "trial" VALUES('s3',3,'policy','','f1','{"spec": {"name": "n3", "blocks": [{"level": 4, "parents": [0, 1]}], "alpha": 0.5}, "target_cost": {"backbone_parameters": 11, "backbone_multiply_adds": 22, "detector_parameters": 33, "detector_multiply_adds": 85281555200}, "proxy_cost": {"backbone_parameters": 1, "backbone_multiply_adds": 2, "detector_parameters": 3, "detector_multiply_adds": 4}, "num_dead_blocks": 0, "genotype": [3, 0, 2], "log_probs": [-0.5, -1.25, 0.0], "parents": [1, 2], "edits": ["swap 3 and 4"], "infeasible_reason": "", "source": null}','running',NULL,NULL,NULL,NULL,0,'','2026-03-01 09:33:24.250000','2026-03-01 09:33:24.250000',NULL,NULL,NULL,NULL,NULL,NULL,22,11,'{"num_dead_blocks": 0, "target_cost": {"backbone_parameters": 11, "backbone_multiply_adds": 22, "detector_parameters": 33, "detector_multiply_adds": 85281555200}, "proxy_cost": {"backbone_parameters": 1, "backbone_multiply_adds": 2, "detector_parameters": 3, "detector_multiply_adds": 4}, "source": null}','{"median_ms": 12.5, "interval_ms": [9.375, 15.625], "rounds": 6, "discarded": 0, "device": {"device": "cpu (fp32)", "processor": "Example 9000", "threads": 1, "precision": "fp32", "torch": "2.14"}}');
INSERT INTO "trial" VALUES('s3',4,'policy','','f4','{"spec": {"name": "n4", "blocks": [{"level": 4, "parents": [0, 1]}], "alpha": 0.5}, "target_cost": {"backbone_parameters": 11, "backbone_multiply_adds": 22, "detector_parameters": 33, "detector_multiply_adds": 85281555200}, "proxy_cost": {"backbone_parameters": 1, "backbone_multiply_adds": 2, "detector_parameters": 3, "detector_multiply_adds": 4}, "num_dead_blocks": 1, "genotype": [4, 0, 2], "log_probs": [-0.5, -1.25, 0.0], "parents": [1, 2], "edits": ["swap 3 and 4"], "infeasible_reason": "", "source": null}','running',NULL,NULL,NULL,NULL,0,'','2026-03-01 09:33:26.250000','2026-03-01 09:33:26.250000',NULL,NULL,NULL,NULL,NULL,NULL,22,11,'{"num_dead_blocks": 1, "target_cost": {"backbone_parameters": 11, "backbone_multiply_adds": 22, "detector_parameters": 33, "detector_multiply_adds": 85281555200}, "proxy_cost": {"backbone_parameters": 1, "backbone_multiply_adds": 2, "detector_parameters": 3, "detector_multiply_adds": 4}, "source": null}',NULL);
CREATE TABLE trial_parent (
	search_id VARCHAR(64) NOT NULL, 
	parent INTEGER NOT NULL, 
	child INTEGER NOT NULL, 
	CONSTRAINT pk_trial_parent PRIMARY KEY (search_id, parent, child), 
	CONSTRAINT fk_trial_parent_search_id FOREIGN KEY(search_id) REFERENCES search (id) ON DELETE CASCADE
);
INSERT INTO "trial_parent" VALUES('s1',1,1);
INSERT INTO "trial_parent" VALUES('s1',2,1);
INSERT INTO "trial_parent" VALUES('s1',1,2);
INSERT INTO "trial_parent" VALUES('s1',2,2);
INSERT INTO "trial_parent" VALUES('s1',1,4);
INSERT INTO "trial_parent" VALUES('s1',2,4);
INSERT INTO "trial_parent" VALUES('s1',1,5);
INSERT INTO "trial_parent" VALUES('s1',2,5);
INSERT INTO "trial_parent" VALUES('s1',1,6);
INSERT INTO "trial_parent" VALUES('s1',2,6);
INSERT INTO "trial_parent" VALUES('s1',1,7);
INSERT INTO "trial_parent" VALUES('s1',2,7);
INSERT INTO "trial_parent" VALUES('s1',1,8);
INSERT INTO "trial_parent" VALUES('s1',2,8);
INSERT INTO "trial_parent" VALUES('s3',1,1);
INSERT INTO "trial_parent" VALUES('s3',2,1);
INSERT INTO "trial_parent" VALUES('s3',1,2);
INSERT INTO "trial_parent" VALUES('s3',2,2);
INSERT INTO "trial_parent" VALUES('s3',1,3);
INSERT INTO "trial_parent" VALUES('s3',2,3);
INSERT INTO "trial_parent" VALUES('s3',1,4);
INSERT INTO "trial_parent" VALUES('s3',2,4);
CREATE TABLE trial_request (
	search_id VARCHAR(64) NOT NULL, 
	number INTEGER NOT NULL, 
	verb VARCHAR(16) NOT NULL, 
	document JSON NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	created_at DATETIME NOT NULL, 
	closed_at DATETIME, 
	trial_number INTEGER, 
	reason TEXT NOT NULL, 
	CONSTRAINT pk_trial_request PRIMARY KEY (search_id, number), 
	CONSTRAINT fk_trial_request_search_id FOREIGN KEY(search_id) REFERENCES search (id) ON DELETE CASCADE
);
INSERT INTO "trial_request" VALUES('s1',1,'enqueue','{"source": {"search_id": "s2", "number": 3}, "spec": {"name": "mine", "blocks": [{"level": 4, "parents": [0, 1]}]}, "genotype": [4, 0, 2], "name": ""}','done','2026-03-01 09:31:11.250000','2026-03-01 09:31:21.250000',8,'');
INSERT INTO "trial_request" VALUES('s1',2,'stop','{"source": {"search_id": "s1", "number": 7}, "spec": null, "genotype": [], "name": ""}','open','2026-03-01 09:31:11.250000',NULL,NULL,'');
INSERT INTO "trial_request" VALUES('s1',3,'promote','{"source": {"search_id": "s1", "number": 1}, "spec": null, "genotype": [], "name": "", "num_steps": 600, "num_seeds": 2}','done','2026-03-01 09:32:21.250000','2026-03-01 09:32:22.250000',NULL,'');
INSERT INTO "trial_request" VALUES('s1',4,'promote','{"source": {"search_id": "s1", "number": 1}, "spec": null, "genotype": [], "name": "", "num_steps": null, "num_seeds": 1}','open','2026-03-01 09:32:31.250000',NULL,NULL,'');
CREATE TABLE webhook (
	id VARCHAR(32) NOT NULL, 
	url TEXT NOT NULL, 
	types JSON NOT NULL, 
	search_id VARCHAR(64), 
	secret_sha256 VARCHAR(64) NOT NULL, 
	created_at DATETIME NOT NULL, 
	test_asked_at DATETIME, 
	disabled_at DATETIME, 
	num_delivered BIGINT NOT NULL, 
	num_given_up BIGINT NOT NULL, 
	last_delivery JSON, 
	lease_owner VARCHAR(255) NOT NULL, 
	lease_token BIGINT NOT NULL, 
	lease_expires_at DATETIME, 
	CONSTRAINT pk_webhook PRIMARY KEY (id), 
	CONSTRAINT fk_webhook_search_id FOREIGN KEY(search_id) REFERENCES search (id) ON DELETE CASCADE
);
INSERT INTO "webhook" VALUES('w1','https://hooks.example.com/searches','["search.state", "search.best"]',NULL,'5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e','2026-03-01 09:32:01.250000',NULL,NULL,0,0,'{"message_id": "w1_s1_29_state", "type": "search.state", "at": "2026-03-01T09:32:05.250000+00:00", "attempt": 1, "outcome": "failed", "status": 500, "error": "answered with 500"}','daemon',1,'2026-03-02 09:32:04.250000');
INSERT INTO "webhook" VALUES('w2','https://hooks.example.com/searches','["search.failing"]','s1','5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e','2026-03-01 09:32:02.250000','2026-03-01 09:32:03.250000',NULL,0,0,NULL,'',0,NULL);
CREATE TABLE webhook_cursor (
	webhook_id VARCHAR(32) NOT NULL, 
	search_id VARCHAR(64) NOT NULL, 
	sequence BIGINT NOT NULL, 
	num_done INTEGER NOT NULL, 
	course JSON, 
	num_attempts INTEGER NOT NULL, 
	next_attempt_at DATETIME, 
	is_closed BOOLEAN NOT NULL, 
	CONSTRAINT pk_webhook_cursor PRIMARY KEY (webhook_id, search_id), 
	CONSTRAINT fk_webhook_cursor_webhook_id FOREIGN KEY(webhook_id) REFERENCES webhook (id) ON DELETE CASCADE, 
	CONSTRAINT fk_webhook_cursor_search_id FOREIGN KEY(search_id) REFERENCES search (id) ON DELETE CASCADE
);
INSERT INTO "webhook_cursor" VALUES('w1','s1',28,0,'{"state": "running", "reason": "", "best_reward": 0.25, "num_trained": 3, "num_failed": 1}',1,'2026-03-01 09:32:10.250000',0);
INSERT INTO "webhook_cursor" VALUES('w1','s2',3,0,NULL,0,NULL,1);
INSERT INTO "webhook_cursor" VALUES('w2','s1',28,0,NULL,0,NULL,0);
CREATE INDEX ix_search_created_at_id ON search (created_at, id);
CREATE INDEX ix_search_state_created_at ON search (state, created_at);
CREATE INDEX ix_artifact_key ON artifact ("key");
CREATE INDEX ix_artifact_search_id_trial_number ON artifact (search_id, trial_number);
CREATE INDEX ix_trial_search_id_arm_number ON trial (search_id, arm, number);
CREATE UNIQUE INDEX ix_job_search_id_position ON job (search_id, position);
CREATE INDEX ix_job_search_id_state ON job (search_id, state);
CREATE INDEX ix_job_search_id_trial_number_kind ON job (search_id, trial_number, kind);
CREATE INDEX ix_trial_measurement_key_fingerprint_finished_at ON trial (measurement_key, fingerprint, finished_at);
CREATE INDEX ix_measurement_search_id_step_sequence ON measurement (search_id, step, sequence);
CREATE INDEX ix_trial_search_id_fingerprint_state_reward_number ON trial (search_id, fingerprint, state, reward, number);
CREATE INDEX ix_trial_state_arm_failure_reason_seconds ON trial (state, arm, failure_reason, seconds);
CREATE INDEX ix_attempt_state_failure_reason_seconds ON attempt (state, failure_reason, seconds);
CREATE INDEX ix_snapshot_artifact_key ON snapshot (artifact_key);
CREATE INDEX ix_trial_request_search_id_state_number ON trial_request (search_id, state, number);
CREATE INDEX ix_attempt_search_id_state_failure_reason_worker_seconds ON attempt (search_id, state, failure_reason, worker, seconds);
CREATE INDEX ix_attempt_search_id_started_at ON attempt (search_id, started_at);
CREATE INDEX ix_token_created_at_id ON token (created_at, id);
CREATE INDEX ix_webhook_search_id ON webhook (search_id);
CREATE INDEX ix_webhook_cursor_search_id ON webhook_cursor (search_id);
CREATE INDEX ix_webhook_cursor_webhook_id_is_closed ON webhook_cursor (webhook_id, is_closed);
CREATE INDEX ix_log_part_key ON log_part ("key");
CREATE INDEX ix_operation_state_created_at ON operation (state, created_at);
CREATE INDEX ix_operation_result_key ON operation (result_key);
CREATE INDEX ix_trial_search_id_state_number_arm ON trial (search_id, state, number, arm);
CREATE INDEX ix_trial_best_reward ON trial (search_id, state, reward, number, fingerprint, multiply_adds, parameters);
CREATE INDEX ix_trial_best_average_precision ON trial (search_id, state, average_precision, number, fingerprint, multiply_adds, parameters, reward);
CREATE INDEX ix_trial_best_val_average_precision ON trial (search_id, state, val_average_precision, number, fingerprint, multiply_adds, parameters, reward);
CREATE INDEX ix_trial_twins_average_precision ON trial (search_id, fingerprint, state, average_precision, number, reward);
CREATE INDEX ix_trial_twins_val_average_precision ON trial (search_id, fingerprint, state, val_average_precision, number, reward);
COMMIT;
